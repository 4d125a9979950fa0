"""Words that a text side for English cannot place: few of ordinary queries, most of gibberish and misspelt ones."""

import pytest

from schemas.settings import Settings
from workers.text.minilm_weights import MINILM
from workers.text.query_words import QueryWords
from workers.weights.cache import weights_folder

ORDINARY = """
slow jazz with a muted trumpet
solo piano, melancholic and quiet
upbeat pop with female vocals
heavy metal with double bass drums
acoustic guitar fingerpicking
ambient drone for meditation
rainy evening jazz
a string quartet playing something sad
driving techno at night
funky bass line with brass stabs
lo-fi hip hop beats to study to
church organ
medieval lute music
bluegrass banjo
sitar and tabla
aggressive punk rock
dreamy shoegaze guitars
80s synth pop
chiptune from a video game
baroque harpsichord
big band swing
gospel choir
children singing
whistling tune
reggae with a dub echo
bossa nova for the beach
flamenco guitar with clapping
epic orchestral trailer music
tense film score
happy ukulele song
country ballad with pedal steel
trap beat with 808s
drum and bass
house music with a diva vocal
acid bassline
celtic fiddle reel
mariachi trumpets
tango with bandoneon
accordion waltz
klezmer clarinet
blues harmonica
slide guitar in open tuning
warm analog synthesizer pads
glitchy electronic percussion
field recordings of rain and birds
throat singing
gamelan
japanese koto and shakuhachi
steel drums from the caribbean
afrobeat with horns
salsa with piano montuno
cumbia with accordion
reggaeton rhythm
arabic oud solo
turkish saz
indian classical raga
chinese erhu
bagpipes marching
military march with snare drums
wedding music
christmas carols
lullaby for a baby
horror soundtrack with dissonant strings
romantic nocturne
fast virtuoso violin
cello suite
contemporary classical, minimalism
choral music in a cathedral
a capella harmony
barbershop quartet
opera soprano aria
bass voice with piano
spoken word over jazz
beatboxing
rap with political lyrics
grunge guitar riffs
progressive rock with odd meters
psychedelic organ
surf rock with reverb
rockabilly
doo wop
motown soul
disco strings
funk slap bass
smooth jazz saxophone
free jazz improvisation
bebop
ragtime piano
dixieland
cool jazz vibraphone
marimba and xylophone
glockenspiel melody
music box
toy piano
theremin
mellotron strings
hammond organ solo
rhodes piano and brushes
upright bass
distorted power chords
clean electric guitar arpeggios
twelve string guitar
mandolin tremolo
hurdy gurdy drone
didgeridoo
kalimba
handpan and soft percussion
djembe circle
taiko drums
timpani rolls
cinematic tension building
uplifting trance with a long breakdown
minimal techno
deep house for late night
dubstep wobble
vaporwave
synthwave for driving
industrial noise
dark ambient
new age flute
meditation bowls
yoga music
workout music with energy
background music for a restaurant
quiet and peaceful
angry and loud
nostalgic and bittersweet
mysterious
playful pizzicato
heroic brass fanfare
sad piano with strings
something like a summer afternoon
music for dancing in the kitchen
a lonely trumpet in the distance
crackling vinyl and soft drums
waves and seagulls
guitar solo with wah
vocoder vocals
autotuned singing
female singer whispering
male baritone ballad
duet of a man and a woman
crowd singing along in a stadium
live recording with applause
demo recorded on tape
instrumental version without vocals
slow tempo, minor key
fast tempo, major key
sixties garage rock
seventies soul with flute
nineties eurodance
early electronic experiments
modular synthesizer bleeps
Superstition by Stevie Wonder
songs like Bohemian Rhapsody
Beethoven's moonlight sonata
Bach fugue on the organ
Miles Davis
krautrock motorik beat
math rock with tapping
post-rock crescendo
black metal with blast beats
doom metal, very slow
folk song with harmony vocals
sea shanty
protest song with acoustic guitar
hawaiian slide guitar
zydeco with washboard
polka
waltz in three four time
bolero rhythm
samba school percussion
""".strip().splitlines()
MISSPELT = """
pianno
trumppet
guitarr
violn
saxaphone
flut
drumms
clarinett
accordian
harmonca
banjoo
synthesiser padz
orchestrl
symphoni
electrnic
ambeint
regae
jaz
bluse
rok musik
clasical
hevy metal
tecno
disko
funcky bass
goospel choir
chior
vioilin and celo
mandolinn
ukelele
xylofone
harpsicord
bagpipse
sitarr
tromboen
tubba
oboo
basoon
picolo
percusion
melancoly
dremy
relaxxing
energtic
hapy song
slwo ballad
femal voice
acoustik gitar
sintesizer
marimbba
xqzvw
asdfghjkl
qwertyuiop
zzzxxyy
blorptak fnizz
hjklo wqxz
vbnmqw
grfltp
xkcdqz
plmoknij
aaaaaaa bbbb
qqqq wwww
tzrgh mpfk
sdfg sdfg
fghjrty
zxcvbnm
uiopjkl
wrtypsd
kjhgfd
mnbvcx
lkjpoi
ztrewq
ghghgh jkjkjk
xvxvxv
qazwsx
edcrfv
tgbyhn
ujmikol
pqowie
znxmcb
джаз с трубой
грустная музыка
ピアノソロ
悲しい音楽
钢琴独奏
快乐的歌
재즈 음악
موسيقى حزينة
מוזיקה שקטה
θλιμμένο πιάνο
ज़ोर से गाना
เพลงเศร้า
быстрое техно
ギター
吉他
피아노
кларнет
舞曲
σαξόφωνο
скрипка
""".strip().splitlines()


@pytest.fixture(scope="module")
def words():
    return QueryWords(weights_folder(MINILM, Settings().models) / "tokenizer.json")


def test_at_most_2_percent_of_ordinary_queries_get_a_remark(words):
    remarked = [query for query in ORDINARY if words.find_unplaced(query)]
    assert len(ORDINARY) > 150
    assert len(remarked) <= 0.02 * len(ORDINARY), remarked


def test_9_of_10_misspelt_and_gibberish_queries_get_one(words):
    remarked = [query for query in MISSPELT if words.find_unplaced(query)]
    assert len(MISSPELT) == 100
    assert len(remarked) >= 90, set(MISSPELT) - set(remarked)


@pytest.mark.parametrize(
    ("query", "near"), [("pianno", "piano"), ("a saxaphone solo", "saxophone"), ("harpsicord", "harpsichord")]
)
def test_near_words_are_named(words, query, near):
    (unplaced,) = words.find_unplaced(query)
    assert near in unplaced.near


def test_accents_and_inflections_are_known(words):
    assert words.find_unplaced("Café music, stringier and quietly hummed") == []

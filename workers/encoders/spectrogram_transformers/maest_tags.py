"""The 519 Discogs styles in the order of MAEST's classifier, each as GENRE---STYLE.

Source: palonso/MAEST, models/discogs_labels.py, and the script beside it that made the weights on the hub, which
converts the names to Unicode's NFKC form.
"""

_STYLES = {
    "Blues": (
        "Boogie Woogie|Chicago Blues|Country Blues|Delta Blues|East Coast Blues|Electric Blues|"
        "Harmonica Blues|Jump Blues|Louisiana Blues|Memphis Blues|Modern Electric Blues|Piano Blues|"
        "Piedmont Blues|Rhythm & Blues|Texas Blues"
    ),
    "Brass & Military": ("Brass Band|Marches|Military|Pipe & Drum"),
    "Children's": ("Educational|Nursery Rhymes|Story"),
    "Classical": (
        "Baroque|Choral|Classical|Contemporary|Early|Impressionist|Medieval|Modern|Neo-Classical|"
        "Neo-Romantic|Opera|Operetta|Oratorio|Post-Modern|Renaissance|Romantic|Twelve-tone"
    ),
    "Electronic": (
        "Abstract|Acid|Acid House|Acid Jazz|Ambient|Baltimore Club|Bassline|Beatdown|Berlin-School|"
        "Big Beat|Bleep|Breakbeat|Breakcore|Breaks|Broken Beat|Chillwave|Chiptune|Dance-pop|"
        "Dark Ambient|Darkwave|Deep House|Deep Techno|Disco|Disco Polo|Donk|Doomcore|Downtempo|Drone|"
        "Drum n Bass|Dub|Dub Techno|Dubstep|Dungeon Synth|EBM|Electro|Electro House|Electroacoustic|"
        "Electroclash|Euro House|Euro-Disco|Eurobeat|Eurodance|Experimental|Footwork|Freestyle|"
        "Future Jazz|Gabber|Garage House|Ghetto|Ghetto House|Ghettotech|Glitch|Glitch Hop|Goa Trance|"
        "Grime|Halftime|Hands Up|Happy Hardcore|Hard Beat|Hard House|Hard Techno|Hard Trance|Hardcore|"
        "Hardstyle|Harsh Noise Wall|Hi NRG|Hip Hop|Hip-House|House|IDM|Illbient|Industrial|Italo House|"
        "Italo-Disco|Italodance|J-Core|Jazzdance|Juke|Jumpstyle|Jungle|Latin|Leftfield|Lento Violento|"
        "Makina|Minimal|Minimal Techno|Modern Classical|Musique Concrète|Neo Trance|Neofolk|New Age|"
        "New Beat|New Wave|Noise|Nu-Disco|Power Electronics|Progressive Breaks|Progressive House|"
        "Progressive Trance|Psy-Trance|Rhythmic Noise|Schranz|Sound Collage|Speed Garage|Speedcore|"
        "Synth-pop|Synthwave|Tech House|Tech Trance|Techno|Trance|Tribal|Tribal House|Trip Hop|"
        "Tropical House|UK Funky|UK Garage|Vaporwave|Witch House"
    ),
    "Folk, World, & Country": (
        "Aboriginal|African|Andalusian Classical|Andean Music|Appalachian Music|Basque Music|Bhangra|"
        "Bluegrass|Cajun|Canzone Napoletana|Carnatic|Catalan Music|Celtic|Chacarera|Chinese Classical|"
        "Chutney|Copla|Country|Cretan|Dangdut|Fado|Flamenco|Folk|Funaná|Gamelan|Ghazal|Gospel|Griot|"
        "Hawaiian|Highlife|Hillbilly|Hindustani|Honky Tonk|Indian Classical|Kaseko|Klezmer|Laïkó|"
        "Luk Thung|Maloya|Mbalax|Min'yō|Mizrahi|Nhạc Vàng|Nordic|Népzene|Ottoman Classical|"
        "Overtone Singing|Pacific|Pasodoble|Persian Classical|Phleng Phuea Chiwit|Polka|Qawwali|Raï|"
        "Rebetiko|Romani|Salegy|Sea Shanties|Soukous|Séga|Volksmusik|Western Swing|Zouk|Zydeco|Éntekhno"
    ),
    "Funk / Soul": (
        "Afrobeat|Bayou Funk|Boogie|Contemporary R&B|Disco|Free Funk|Funk|Gogo|Gospel|Minneapolis Sound|"
        "Neo Soul|New Jack Swing|P.Funk|Psychedelic|Rhythm & Blues|Soul|Swingbeat|UK Street Soul"
    ),
    "Hip Hop": (
        "Bass Music|Beatbox|Boom Bap|Bounce|Britcore|Cloud Rap|Conscious|Crunk|Cut-up/DJ|DJ Battle Tool|"
        "Electro|Favela Funk|G-Funk|Gangsta|Go-Go|Grime|Hardcore Hip-Hop|Hiplife|Horrorcore|Hyphy|"
        "Instrumental|Jazzy Hip-Hop|Kwaito|Miami Bass|Pop Rap|Ragga HipHop|RnB/Swing|Screw|Thug Rap|"
        "Trap|Trip Hop|Turntablism"
    ),
    "Jazz": (
        "Afro-Cuban Jazz|Afrobeat|Avant-garde Jazz|Big Band|Bop|Bossa Nova|Cape Jazz|Contemporary Jazz|"
        "Cool Jazz|Dixieland|Easy Listening|Free Improvisation|Free Jazz|Fusion|Gypsy Jazz|Hard Bop|"
        "Jazz-Funk|Jazz-Rock|Latin Jazz|Modal|Post Bop|Ragtime|Smooth Jazz|Soul-Jazz|Space-Age|Swing"
    ),
    "Latin": (
        "Afro-Cuban|Axé|Bachata|Baião|Batucada|Beguine|Bolero|Boogaloo|Bossanova|Carimbó|Cha-Cha|"
        "Charanga|Choro|Compas|Conjunto|Corrido|Cubano|Cumbia|Danzon|Descarga|Forró|Gaita|Guaguancó|"
        "Guajira|Guaracha|Jibaro|Lambada|MPB|Mambo|Mariachi|Marimba|Merengue|Música Criolla|Norteño|"
        "Nueva Cancion|Nueva Trova|Pachanga|Plena|Porro|Quechua|Ranchera|Reggaeton|Rumba|Salsa|Samba|"
        "Samba-Canção|Son|Son Montuno|Sonero|Tango|Tejano|Timba|Trova|Vallenato"
    ),
    "Non-Music": (
        "Audiobook|Comedy|Dialogue|Education|Erotic|Field Recording|Health-Fitness|Interview|Monolog|"
        "Movie Effects|Poetry|Political|Promotional|Public Broadcast|Radioplay|Religious|Sermon|"
        "Sound Art|Sound Poetry|Special Effects|Speech|Spoken Word|Technical|Therapy"
    ),
    "Pop": (
        "Ballad|Barbershop|Bollywood|Break-In|Bubblegum|Chanson|City Pop|Enka|Ethno-pop|Europop|"
        "Indie Pop|J-pop|K-pop|Karaoke|Kayōkyoku|Levenslied|Light Music|Music Hall|Novelty|Parody|"
        "Schlager|Vocal"
    ),
    "Reggae": (
        "Calypso|Dancehall|Dub|Dub Poetry|Lovers Rock|Mento|Ragga|Reggae|Reggae Gospel|Reggae-Pop|"
        "Rocksteady|Roots Reggae|Ska|Soca|Steel Band"
    ),
    "Rock": (
        "AOR|Acid Rock|Acoustic|Alternative Rock|Arena Rock|Art Rock|Atmospheric Black Metal|Avantgarde|"
        "Beat|Black Metal|Blues Rock|Brit Pop|Classic Rock|Coldwave|Country Rock|Crust|Death Metal|"
        "Deathcore|Deathrock|Depressive Black Metal|Doo Wop|Doom Metal|Dream Pop|Emo|Ethereal|"
        "Experimental|Folk Metal|Folk Rock|Funeral Doom Metal|Funk Metal|Garage Rock|Glam|Goregrind|"
        "Goth Rock|Gothic Metal|Grindcore|Groove Metal|Grunge|Hard Rock|Hardcore|Heavy Metal|Horror Rock|"
        "Indie Rock|Industrial|Industrial Metal|J-Rock|Jangle Pop|K-Rock|Krautrock|Lo-Fi|Lounge|"
        "Math Rock|Melodic Death Metal|Melodic Hardcore|Metalcore|Mod|NDW|Neofolk|New Wave|No Wave|"
        "Noise|Noisecore|Nu Metal|Oi|Parody|Pop Punk|Pop Rock|Pornogrind|Post Rock|Post-Hardcore|"
        "Post-Metal|Post-Punk|Power Metal|Power Pop|Power Violence|Prog Rock|Progressive Metal|"
        "Psychedelic Rock|Psychobilly|Pub Rock|Punk|Rock & Roll|Rock Opera|Rockabilly|Shoegaze|Ska|"
        "Skiffle|Sludge Metal|Soft Rock|Southern Rock|Space Rock|Speed Metal|Stoner Rock|Surf|Swamp Pop|"
        "Symphonic Rock|Technical Death Metal|Thrash|Twist|Viking Metal|Yé-Yé"
    ),
    "Stage & Screen": ("Musical|Score|Soundtrack|Theme"),
}

STYLES = tuple(f"{genre}---{style}" for genre, styles in _STYLES.items() for style in styles.split("|"))

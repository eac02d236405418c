package call

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// withheld are the words that telephone systems put in place of a number or a name that they do not know or may not show,
// and the numbers by which Twilio spells such words on a keypad (Twilio, "Caller ID of anonymous calls"). They are without
// what stands between words.
var withheld = map[string]bool{
	"anonymous": true, "unknown": true, "restricted": true, "private": true, "privatenumber": true, "blocked": true,
	"withheld": true, "unavailable": true, "notavailable": true, "unknownnumber": true, "anonymouscaller": true,
	"nocallerid": true, "unknowncaller": true, "none": true, "null": true, "undefined": true, "n/a": true,
	"266696687": true, "7378742833": true, "2562533": true, "8656696": true, "86282452253": true,
	"privatecaller": true, "privatecall": true, "privatename": true, "restrictedcaller": true, "restrictednumber": true,
	"calleridblocked": true, "callerblocked": true, "blockedcaller": true, "blockednumber": true, "blockedcall": true,
	"idblocked": true, "idwithheld": true, "numberwithheld": true, "withheldnumber": true, "calleridwithheld": true,
	"outofarea": true, "numberunavailable": true, "calleridunavailable": true, "unavailablecaller": true, "unidentified": true,
	"unidentifiedcaller": true, "unknowncall": true, "calleridunknown": true, "hiddennumber": true, "nonumber": true,
}

// placeholders are what the name services of carriers (CNAM) give besides, where they know the kind of line alone. There is
// no public list: these are those that carriers in North America are seen to send. A town and state, which some send too,
// are not among them, since they cannot be told from a person's name.
var placeholders = map[string]bool{
	"wireless": true, "wirelesscaller": true, "wirelesscall": true, "wirelesscustomer": true, "wirelessnumber": true,
	"wirelessphone": true, "wirelessuser": true, "wirelesssubscriber": true, "wirelesscalle": true,
	"mobile": true, "mobilecaller": true, "mobilecall": true, "mobilephone": true, "mobilenumber": true, "mobileuser": true,
	"mobilesubscriber": true, "cell": true, "cellcaller": true, "cellphone": true, "cellphonecall": true, "cellphonecaller": true,
	"cellular": true, "cellularcall": true, "cellularcaller": true, "cellularphone": true, "cellularcustomer": true,
	"landline": true, "landlinecaller": true, "wireline": true, "wirelinecaller": true, "residential": true,
	"voipcaller": true, "voipcall": true, "voipnumber": true, "voipuser": true, "internetcall": true, "internetcaller": true,
	"tollfree": true, "tollfreecall": true, "tollfreecaller": true, "tollfreenumber": true, "tollfreenum": true, "800service": true,
	"800number": true, "payphone": true, "payphonecall": true, "coinphone": true, "cardcaller": true, "callingcard": true,
	"international": true, "internationalcall": true, "intlcall": true, "internationalcaller": true, "longdistance": true,
	"longdistancecall": true, "operator": true, "nameunavailable": true, "nameunavail": true, "namenotavailable": true,
	"unavailablename": true, "unknownname": true, "nameunknown": true, "noname": true, "nonameavailable": true, "namenotfound": true,
	"nodata": true, "nodataavailable": true, "noinformation": true, "notprovided": true, "notfound": true, "nocnam": true,
	"cnamunavailable": true, "incomingcall": true, "incomingcaller": true, "inboundcall": true, "inboundcaller": true,
	"outboundcall": true, "phonecall": true, "phonecaller": true, "telephonecall": true, "externalcall": true, "externalcaller": true,
	"caller": true, "callername": true, "callerid": true, "newcaller": true, "subscriber": true, "customer": true, "guest": true,
	"spam": true, "spamlikely": true, "scamlikely": true, "potentialspam": true, "suspectedspam": true, "spamrisk": true,
	"possiblespam": true, "fraudrisk": true, "potentialfraud": true, "robocaller": true, "telemarketer": true, "nuisancelikely": true,
	"withheldname": true, "namewithheld": true, "nameblocked": true, "nameprivate": true, "outofareacall": true,
}

// Withheld reports whether the text says that there is no number to be had: "anonymous", "Restricted", +266696687.
// Of an address such as sip:anonymous@anonymous.invalid the user counts.
func Withheld(raw string) bool {
	var memory [64]byte
	return withheld[string(appendBare(memory[:0], dialled(raw)))]
}

// NoName reports whether a text that stands for a caller's name says that nobody knows it: "Anonymous", or what the name
// services of carriers give instead ("WIRELESS CALLER", "CELL PHONE TX", "V90210123").
func NoName(raw string) bool {
	var memory [64]byte
	key := appendBare(memory[:0], raw)
	if withheld[string(key)] || placeholders[string(key)] {
		return true
	}
	if n := len(key); n > 8 && key[0] == 'v' && len(bytes.Trim(key[1:], "0123456789")) == 0 {
		return true // the id of a call, by T-Mobile and others
	}
	words := strings.TrimSpace(raw)
	if n := len(words) - 2; n > 0 && strings.LastIndexFunc(words, unicode.IsSpace) < n {
		before, last := words[:n], words[n:]
		if r, _ := utf8.DecodeLastRuneInString(before); unicode.IsSpace(r) && strings.ToUpper(last) == last { // of a state
			return placeholders[string(appendBare(memory[:0], before))]
		}
	}
	return false
}

// appendBare appends a text in lower case without spaces and what else stands between words.
func appendBare(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			b = append(b, byte(r))
		case 'A' <= r && r <= 'Z':
			b = append(b, byte(r)+'a'-'A')
		case r < utf8.RuneSelf && strings.IndexByte("-_+.,'\"()", byte(r)) >= 0, unicode.IsSpace(r):
		default:
			b = utf8.AppendRune(b, unicode.ToLower(r))
		}
	}
	return b
}

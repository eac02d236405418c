package call

// aliases lists, for each field of the record, the names under which forms, CRMs and prompts are known to carry it,
// the most telling first. Letters and digits count, so that "FirstName", "first_name" and "First name" are one name.
var aliases = map[string][]string{
	"caller_number": {
		"callernumber", "callerphonenumber", "callerphone", "phone", "phonenumber", "callbacknumber", "callbackphone",
		"callbackphonenumber", "customerphone", "customernumber", "customerphonenumber", "contactphone",
		"contactphonenumber", "leadphone", "leadphonenumber", "mobile", "mobilephone", "mobilenumber", "cell",
		"cellphone", "telephone", "tel", "fromnumber", "from", "callerid", "caller", "textremindernumber",
		"contactnumber", "userphone", "userphonenumber", "yourphone", "yourtel", "attendeephonenumber", "phones", "phonenumbers",
		"worknumber", "workphone", "workphonenumber", "homephone",
	},
	"receiving_number": {
		"receivingnumber", "tonumber", "callednumber", "called", "to", "businessnumber", "businessphone",
		"destinationnumber", "trackingnumber",
	},
	"first_name": {"firstname", "fname", "givenname", "callerfirstname", "customerfirstname", "leadfirstname", "contactfirstname"},
	"last_name":  {"lastname", "lname", "surname", "familyname", "callerlastname", "customerlastname", "leadlastname", "contactlastname"},
	"name":       {"name", "fullname", "callername", "customername", "contactname", "leadname", "patientname", "clientname", "username", "yourname", "firstandlastname", "nameofcaller"},
	"email": {
		"email", "emailaddress", "calleremail", "customeremail", "contactemail", "leademail", "useremail", "clientemail",
		"patientemail", "youremail", "attendeeemail", "workemail", "emails", "emailaddresses",
	},
	"company": {"company", "companyname", "organization", "organisation", "organizationname", "leadcompany", "contactcompany"},
	"message": {
		"message", "notes", "note", "issue", "reason", "reasonforcall", "reasonforcalling", "callreason", "inquiry",
		"enquiry", "description", "details", "request", "problem", "comments", "comment", "servicerequested",
		"serviceneeded", "leadnotes", "leadmessage", "contactnotes", "contactmessage", "yourmessage", "additionalnotes", "whathappened",
		"howcanwehelp", "howcanwehelpyou", "howmaywehelpyou", "whatdoyouneed", "whatdoyouneedhelpwith",
		"whatcanwehelpyouwith", "reasonforyourcall", "reasonforcontact", "describeyourissue", "describetheissue",
		"describetheproblem", "describeyourproblem", "additionalinformation", "additionalcomments",
	},
	"summary":            {"summary", "callsummary"},
	"transcript":         {"transcript", "calltranscript", "transcription"},
	"recording_url":      {"recordingurl", "callrecordingurl", "recordinglink", "recording", "callrecording"},
	"call_id":            {"callid", "callsid", "calluuid", "calluid"},
	"event_id":           {"eventid", "deliveryid", "webhookid", "idempotencykey"},
	"event_type":         {"eventtype", "event"},
	"direction":          {"direction", "calldirection"},
	"started_at":         {"startedat", "starttime", "callstart", "callstarttime", "callstartedat"},
	"ended_at":           {"endedat", "endtime", "callend", "callendtime", "callendedat", "timestamp", "createdat", "calltime"},
	"duration":           {"callduration", "duration", "durationseconds", "calldurationseconds", "callseconds"},
	"duration_ms":        {"durationms", "calldurationms"},
	"urgent":             {"urgent", "isurgent", "emergency", "isemergency", "urgency", "urgencylevel", "priority"},
	"callback_requested": {"callbackrequested", "requestcallback", "callbackrequest", "wantscallback", "needscallback", "callback", "callmeback", "callbacktime", "preferredcallbacktime", "callbackdate"},
}

type alias struct {
	field string
	rank  int
}

var byAlias = func() map[string]alias {
	m := make(map[string]alias)
	for field, names := range aliases {
		for rank, n := range names {
			m[n] = alias{field, rank}
		}
	}
	return m
}()

// maxAlias is how long an alias may be, in bytes.
const maxAlias = 32

// firsts and lasts have, for each length, a bit for each letter that an alias of that length begins or ends with. Most
// keys are no alias, and these tell so sooner than the map does.
var firsts, lasts = func() (f, l [maxAlias + 1]uint64) {
	for name := range byAlias {
		n := len(name)
		f[n] |= letterBit(name[0])
		l[n] |= letterBit(name[n-1])
	}
	return f, l
}()

// letterBit is a bit for a letter or digit. Some of them share one.
func letterBit(c byte) uint64 { return 1 << (c & 63) }

// FieldOf names the field of the record that a key of some form, CRM or prompt stands for: "first_name" for
// "FirstName", "caller_number" for "callback_number", "message" for "issue"; empty for a key of no known meaning.
// Of two keys for one field that with the lower rank says it more plainly. Besides the names that Lookup knows there
// is "duration_ms".
func FieldOf(key string) (field string, rank int) {
	var buf [maxAlias]byte
	n := 0
	for i := range len(key) {
		c := key[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		default:
			continue
		}
		if n == len(buf) {
			return "", 0
		}
		buf[n] = c
		n++
	}
	if n == 0 || firsts[n]&letterBit(buf[0]) == 0 || lasts[n]&letterBit(buf[n-1]) == 0 {
		return "", 0
	}
	a := byAlias[string(buf[:n])]
	return a.field, a.rank
}

package fhir

// The parts of R4 that calls need (hl7.org/fhir/R4). Everything optional is left out when empty: FHIR's JSON allows
// neither empty strings nor empty arrays.

type identifier struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value,omitempty"`
}

type coding struct {
	System string `json:"system,omitempty"`
	Code   string `json:"code,omitempty"`
}

type concept struct {
	Coding []coding `json:"coding,omitempty"`
	Text   string   `json:"text,omitempty"`
}

type reference struct {
	Reference  string      `json:"reference,omitempty"`
	Type       string      `json:"type,omitempty"`
	Identifier *identifier `json:"identifier,omitempty"`
	Display    string      `json:"display,omitempty"`
}

type contact struct {
	System string `json:"system,omitempty"`
	Value  string `json:"value,omitempty"`
}

type extension struct {
	URL  string `json:"url"`
	Code string `json:"valueCode"`
}

type humanName struct {
	Extension []extension `json:"extension,omitempty"`
	Family    string      `json:"family,omitempty"`
	Given     []string    `json:"given,omitempty"`
}

type period struct {
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
}

type attachment struct {
	URL   string `json:"url,omitempty"`
	Title string `json:"title,omitempty"`
}

type content struct {
	String     string      `json:"contentString,omitempty"`
	Attachment *attachment `json:"contentAttachment,omitempty"`
}

type patient struct {
	ResourceType string       `json:"resourceType"`
	Identifier   []identifier `json:"identifier,omitempty"`
	Name         []humanName  `json:"name,omitempty"`
	Telecom      []contact    `json:"telecom,omitempty"`
	Gender       string       `json:"gender,omitempty"`
}

type communication struct {
	ResourceType string       `json:"resourceType"`
	Identifier   []identifier `json:"identifier,omitempty"`
	Status       string       `json:"status"`
	Category     []concept    `json:"category,omitempty"`
	Priority     string       `json:"priority,omitempty"`
	Medium       []concept    `json:"medium,omitempty"`
	Subject      *reference   `json:"subject,omitempty"`
	Sent         string       `json:"sent,omitempty"`
	Received     string       `json:"received,omitempty"`
	Recipient    []*reference `json:"recipient,omitempty"`
	Sender       *reference   `json:"sender,omitempty"`
	Payload      []content    `json:"payload,omitempty"`
}

type taskInput struct {
	Type  concept `json:"type"`
	Value string  `json:"valueString"`
}

type task struct {
	ResourceType string       `json:"resourceType"`
	Identifier   []identifier `json:"identifier,omitempty"`
	Status       string       `json:"status"`
	Intent       string       `json:"intent"`
	Priority     string       `json:"priority,omitempty"`
	Code         *concept     `json:"code,omitempty"`
	Description  string       `json:"description,omitempty"`
	Focus        *reference   `json:"focus,omitempty"`
	For          *reference   `json:"for,omitempty"`
	AuthoredOn   string       `json:"authoredOn,omitempty"`
	Input        []taskInput  `json:"input,omitempty"`
}

type participant struct {
	Type   []concept  `json:"type,omitempty"`
	Actor  *reference `json:"actor,omitempty"`
	Status string     `json:"status"`
}

type appointment struct {
	ResourceType    string        `json:"resourceType"`
	Identifier      []identifier  `json:"identifier,omitempty"`
	Status          string        `json:"status"`
	Description     string        `json:"description,omitempty"`
	Created         string        `json:"created,omitempty"`
	Comment         string        `json:"comment,omitempty"`
	Participant     []participant `json:"participant"`
	RequestedPeriod []period      `json:"requestedPeriod,omitempty"`
}

type serviceRequest struct {
	ResourceType string       `json:"resourceType"`
	Identifier   []identifier `json:"identifier,omitempty"`
	Status       string       `json:"status"`
	Intent       string       `json:"intent"`
	Priority     string       `json:"priority,omitempty"`
	Code         *concept     `json:"code,omitempty"`
	Subject      *reference   `json:"subject"`
	AuthoredOn   string       `json:"authoredOn,omitempty"`
}

type bundle struct {
	ResourceType string  `json:"resourceType"`
	Type         string  `json:"type"`
	Entry        []entry `json:"entry"`
}

type entry struct {
	FullURL  string       `json:"fullUrl"`
	Resource any          `json:"resource"`
	Request  entryRequest `json:"request"`
}

type entryRequest struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	IfNoneExist string `json:"ifNoneExist,omitempty"`
	IfMatch     string `json:"ifMatch,omitempty"`
}

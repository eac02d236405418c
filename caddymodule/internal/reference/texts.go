package main

// callFields say what each field of a call holds.
var callFields = map[string]string{
	"call_duration":      "the same as `duration`, as the guide calls it",
	"call_id":            "the sender's id of the call; several events may carry the same one",
	"callback_requested": "whether the caller wants to be called back: true or false, never missing",
	"caller_number":      "the customer's number, whichever side dialled, in E.164 (`+15559876543`); missing for an anonymous caller",
	"company":            "the caller's company",
	"company_name":       "the same as `company`, as the guide calls it",
	"direction":          "`inbound` or `outbound`, seen from the business",
	"duration":           "the length of the call in seconds, a number",
	"email":              "the caller's address",
	"ended_at":           "the end of the call, RFC 3339 in UTC",
	"event_id":           "the sender's id of this event",
	"event_type":         "the sender's own name for the event, such as `call_analyzed`; `lead` for NextPhone",
	"first_name":         "the caller's first name",
	"issue":              "the parameter of this name or, without one, the message",
	"last_name":          "the caller's last name",
	"message":            "what the caller wants, in a sentence: the notes of a lead, the issue of a service call",
	"name":               "first and last name, as far as they are known",
	"notes":              "the parameter of this name or, without one, the message",
	"params":             "all collected parameters, under the sender's names",
	"phone":              "the same as `caller_number`",
	"provider":           "the preset that read the payload, such as `retell`",
	"receiving_number":   "the number of the business, in E.164",
	"recording_url":      "where the recording is; with some senders it expires",
	"started_at":         "the beginning of the call, RFC 3339 in UTC",
	"summary":            "the sender's summary of the call",
	"timestamp":          "the end of the call or, failing that, its beginning; in templates also the receipt",
	"transcript":         "what was said",
	"urgent":             "whether the call is urgent: true or false, never missing",
}

// variables are the names that templates know besides the fields of a call.
var variables = map[string]string{
	"owner_name":  "the owner of the business, from the tenant's `vars`",
	"website":     "the website of the business, from the tenant's `vars`",
	"booking_url": "where a caller can book, from the tenant's `vars`",
	"received_at": "when the gateway accepted the event, RFC 3339 in UTC",
	"tenant":      "the tenant's name",
	"delivery_id": "the id of the delivery, which stays the same over retries",
}

// filters have an example and what it does.
var filters = map[string]string{
	"default":   "{{email|default:'none'}} · the text where the value is missing",
	"upper":     "{{name|upper}} · capital letters",
	"lower":     "{{email|lower}} · small letters",
	"trim":      "{{message|trim}} · without white space around it",
	"truncate":  "{{summary|truncate:80}} · the first characters",
	"date":      "{{ended_at|date:'%Y-%m-%d','America/New_York'}} · a time by strftime, or as rfc3339, date, time, unix or unix_ms; the second argument is a time zone",
	"e164":      "{{params.mobile|e164}} · a phone number as +15559876543, by the region of the route",
	"national":  "{{caller_number|national}} · a phone number as it is written in its country",
	"digits":    "{{caller_number|digits}} · digits alone",
	"join":      "{{params.services|join:'; '}} · a list as one text",
	"map":       "{{params.service|map:'Kitchen remodel','kitchen_remodel','other'}} · the receiver's words for the caller's, without regard to case; a last text is for everything else",
	"json":      "{{params.lead|json}} · the value as JSON, in a JSON body as such and not as text",
	"urlencode": "{{name|urlencode}} · percent-encoded; in URLs and forms values are anyway",
	"number":    "{{params.price|number}} · in a JSON body a number",
	"integer":   "{{duration|integer}} · in a JSON body a whole number",
	"boolean":   "{{urgent|boolean}} · in a JSON body true or false",
}

// callConditions are what a condition on an event can name.
var callConditions = map[string]string{
	"call":       "the [fields of the call](#fields-of-a-call), as in `call.urgent` and `call.params.issue`",
	"tenant":     "the tenant's name",
	"source":     "the source's name",
	"event_type": "the sender's name for the event",
}

// answerConditions are what an expression on a receiver's answer can name.
var answerConditions = map[string]string{
	"status": "the status, a number",
	"header": "the headers, by their names in small letters",
	"body":   "the body, where it is JSON or XML, as in `body.success` and `!has(body.errors)`",
	"text":   "the body as text",
}

// refusals have why, and what to do.
var refusals = map[string]string{
	"signature_missing":          "a header or token that the scheme needs is not there · have the sender sign, or name its scheme with `verify`; `callgate verify` shows what is missing",
	"signature_invalid":          "the signature does not match, or the tenant is unknown and `hide_tenants` is on · compare the secret and the URL (`public_url` behind a proxy); `callgate verify` says why",
	"tenant_faulty":              "the tenant's file has a mistake, so the tenant is out · see the log, mend the file and reload; the sender has the call still",
	"timestamp_out_of_tolerance": "the signed time is too old or too far ahead · set the clocks; give `verify` a `tolerance` if the sender is known to be slow",
	"unknown_tenant":             "the request names a tenant that is not configured, or not for this source · add it, or correct the sender's URL",
	"method_not_allowed":         "the source does not use this method · name it with `methods` if the sender does",
	"too_large":                  "the body is larger than `max_body` · raise it, or have the sender send less",
	"malformed":                  "the body, the URL or a header is not of the form that the source prescribes · see the message, and try the payload with `callgate preview`",
	"field_missing":              "a field named by `require` is not there · have the sender collect it, map it with `call`, or take it out of `require`",
	"rate_limited":               "the tenant is over its `rate_limit` · wait as `Retry-After` says; raise it if the receiver can bear more",
	"address_limited":            "the address is over `address_limit` · wait as `Retry-After` says; look whose address it is",
	"in_flight":                  "a copy waited for the first request, and that is still being worked on · send it again after a second; a slower receiver wants a longer `wait`",
	"event_id_reused":            "an earlier request with this id had another body, and `idempotency strict` is on · give each event an id of its own",
	"breaker_open":               "the receiver keeps failing, and is left alone · mend the receiver; `spool` or `deliver` keep calls meanwhile",
	"sign_failed":                "the request could not be signed for the receiver · see the log; the scheme of `sign` may not fit the body",
	"convert_failed":             "the call could not be converted for the receiver · see the log, and try the payload with `callgate preview`",
	"store_unavailable":          "the store does not take the event · see the log and the disk; nothing was acknowledged, so the sender has it still",
	"store_full":                 "the store, or the tenant's part of it, is full · replay or erase what is dead, raise `max_size`, or shorten `retention`",
	"body_too_slow":              "the body came more slowly than `min_body_rate` · send it again; lower the rate for senders on slow lines",
	"overloaded":                 "too much unverified data is held at once · send it again after a second; raise `unverified_memory` or GOMEMLIMIT",
}

// resources are the operations that serve each resource of the admin API.
var resources = map[string]string{
	"/callgate/events":                     "Events",
	"/callgate/events/{id}":                "Event",
	"/callgate/events/{id}/content":        "RevealEvent",
	"/callgate/deliveries":                 "Deliveries",
	"/callgate/destinations":               "Destinations",
	"/callgate/stats":                      "Statistics",
	"/callgate/ready":                      "Ready",
	"/callgate/tail":                       "Tail",
	"/callgate/replay":                     "Replay",
	"/callgate/retry":                      "SendNow",
	"/callgate/cancel":                     "Cancel",
	"/callgate/erase":                      "Erase",
	"/callgate/destinations/{name}/pause":  "Pause",
	"/callgate/destinations/{name}/resume": "Resume",
	"/callgate/audit":                      "AuditQuery",
	"/callgate/audit/tail":                 "AuditTail",
	"/callgate/audit/verify":               "AuditVerify",
	"/callgate/audit/records/{seq}/proof":  "AuditProve",
	"/callgate/audit/checkpoint":           "AuditCheckpoint",
	"/callgate/audit/export":               "AuditExport",
	"/callgate/audit/prune":                "AuditPrune",
}

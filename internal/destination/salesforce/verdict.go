package salesforce

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// limitWait is how long a destination waits that has used up the organization's requests. The limit counts the last
// 24 hours, so that it gives way bit by bit; Salesforce itself names no time.
const limitWait = 15 * time.Minute

// kind is what an error code means for a delivery.
type kind uint8

const (
	fatal  kind = iota // this record will never be taken
	later              // it may be taken later
	config             // nothing will be taken until somebody changes something
	full               // the request limit
)

// meanings are the codes whose meaning is not "this record is wrong", and what to do about them.
var meanings = map[string]struct {
	kind kind
	hint string
}{
	"UNABLE_TO_LOCK_ROW":                {later, "another change to the same records is under way"},
	"DUPLICATE_VALUE":                   {later, "the same call is being written by another request"},
	"ENTITY_IS_DELETED":                 {later, "the record was deleted meanwhile; the next attempt looks again"},
	"SERVER_UNAVAILABLE":                {later, "Salesforce is busy"},
	"QUERY_TIMEOUT":                     {later, "Salesforce is slow"},
	"REQUEST_RUNNING_TOO_LONG":          {later, "Salesforce is slow"},
	"UNKNOWN_EXCEPTION":                 {later, "Salesforce had a fault of its own"},
	"ALL_OR_NONE_OPERATION_ROLLED_BACK": {later, "another record of the request failed"},
	"PROCESSING_HALTED":                 {later, "another part of the request failed"},
	"REQUEST_LIMIT_EXCEEDED":            {full, "the organization has used up its API requests; the delivery waits"},
	"INVALID_SESSION_ID":                {config, "the access token is refused; renew the credentials and resume"},
	"INVALID_AUTH_HEADER":               {config, "the access token is refused; renew the credentials and resume"},
	"API_DISABLED_FOR_ORG":              {config, "this edition has no API access; have it enabled and resume"},
	"API_CURRENTLY_DISABLED":            {config, "the API is disabled for this user; grant \"API Enabled\" and resume"},
	"FUNCTIONALITY_NOT_ENABLED":         {config, "a feature is not enabled in this organization; enable it and resume"},
	"UNSUPPORTED_API_VERSION":           {config, "this API version is retired; set a later one, such as " + DefaultAPIVersion + ", and resume"},
	"STORAGE_LIMIT_EXCEEDED":            {config, "the organization's storage is full; free some and resume"},
	"INVALID_TYPE":                      {config, "the object does not exist or the user may not see it; check object and permissions, and resume"},
	"DUPLICATE_EXTERNAL_ID":             {fatal, "several records carry this call's id in the external id field; make the field unique, merge them and replay"},
	"DUPLICATES_DETECTED":               {fatal, "a duplicate rule blocks it; merge by hand, or set duplicates to update or allow, and replay"},
	"REQUIRED_FIELD_MISSING":            {fatal, "map these fields or give them a default, and replay"},
	"FIELD_CUSTOM_VALIDATION_EXCEPTION": {fatal, "a validation rule of the organization refuses it; adapt rule or mapping, and replay"},
	"JSON_PARSER_ERROR":                 {fatal, "a value does not suit its field; check the mapping with a preview, and replay"},
	"INVALID_FIELD":                     {fatal, "a mapped field does not exist or may not be written; correct the mapping and replay"},
}

// convertedLead is the code with which Salesforce refuses to change a lead that has become a contact.
const convertedLead = "CANNOT_UPDATE_CONVERTED_LEAD"

// noExternalID is what to do about an external id field that is not there.
const noExternalID = "there is no such object or external id field; check their names, that the field is marked as External ID and that the user may see it, and resume"

// locked says that another change to the same records was under way. Where a trigger or flow ran into it, the code is
// that of the trigger's failure (CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY and others), and only the message tells.
func (e *apiError) locked() bool {
	return strings.Contains(e.Message, "UNABLE_TO_LOCK_ROW") || strings.Contains(e.Message, "unable to obtain exclusive access")
}

// aboutField says that an error which names fields is about their values, so that the record may be taken without them.
func (e *apiError) aboutField() bool {
	m, known := meanings[e.Code]
	return !e.locked() && e.Code != convertedLead && (!known || m.kind == fatal)
}

// access are the codes of what a user may not do, or of an owner or record type that cannot be. They are of the
// configuration when the same will be answered for the next call too.
var access = map[string]bool{
	"INSUFFICIENT_ACCESS_OR_READONLY": true, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": true, "INSUFFICIENT_ACCESS": true,
	"INACTIVE_OWNER_OR_USER": true, "OP_WITH_INVALID_USER_TYPE_EXCEPTION": true, "TRANSFER_REQUIRES_READ": true,
	"INVALID_CROSS_REFERENCE_KEY": false, "MALFORMED_ID": false, // only with an id of the configuration in the record
}

// misconfigured says that not the call is to blame for the refusal of r: an owner, a record type or another id that is
// set in the configuration is not taken, or the user may not create such records. A refusal to change one record that is
// there may be about that record.
func (d *Destination) misconfigured(r *record, errs []apiError) bool {
	for _, e := range errs {
		whatever, known := access[e.Code]
		if e.Code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" && strings.HasPrefix(e.Message, "entity type cannot be") {
			return true // the code of failing triggers too, but not these words
		}
		if !known && !e.aboutField() {
			continue
		}
		for _, f := range e.Fields {
			if v := r.find(f); v != nil && d.fixed(f) && reference(*v) {
				return true
			}
		}
		if !known || len(e.Fields) > 0 {
			continue
		}
		if whatever && r.known != present {
			return true
		}
		if r.id == "" && slices.ContainsFunc(r.values, func(v value) bool { return d.fixed(v.name) && reference(v) }) {
			return true
		}
	}
	return false
}

// misconfiguration is the Result of a record that is refused for the configuration's sake.
func misconfiguration(status int, errs []apiError) destination.Result {
	return destination.Result{Status: status, Pause: true, Reason: errorLine(status, errs) +
		": the next call would be refused for the same cause; correct the owner, record type or other id that is set, or the user's permissions, and resume"}
}

// verdict is the Result of one record that was refused, whether with an answer of its own or in a composite one.
func verdict(status int, errs []apiError) destination.Result {
	res := destination.Result{Outcome: destination.Dead, Status: status, Unhealthy: status >= 500}
	line := errorLine(status, errs)
	hint := "compare the request with a preview, correct it and replay"
	for i, e := range errs {
		m, ok := meanings[e.Code]
		if e.locked() {
			m, ok = meanings["UNABLE_TO_LOCK_ROW"], true
		}
		if !ok {
			continue
		}
		if i == 0 || m.kind != fatal { // what may pass counts more than what will not
			hint = m.hint
		}
		switch m.kind {
		case later:
			res.Outcome = destination.Retry
		case full:
			res.Outcome, res.RetryAfter, res.Spent, res.Unhealthy = destination.Retry, limitWait, true, true
		case config:
			res.Outcome, res.Pause = destination.Retry, true
		}
	}
	if res.Outcome == destination.Dead {
		switch {
		case status == http.StatusMultipleChoices:
			hint = "several records carry this call's id in the external id field; make the field unique, merge them and replay"
		case status == http.StatusUnauthorized:
			res.Outcome, res.Pause, hint = destination.Retry, true, meanings["INVALID_SESSION_ID"].hint
		case status == http.StatusForbidden && !aboutRecord(errs):
			res.Outcome, res.Pause = destination.Retry, true
			hint = "the user is not allowed to; grant access to object and fields, or allow this address, and resume"
		case status == http.StatusGone:
			res.Outcome, res.Pause, hint = destination.Retry, true, meanings["UNSUPPORTED_API_VERSION"].hint
		case status == http.StatusNotFound:
			res.Outcome, res.Pause = destination.Retry, true
			hint = noExternalID
		case status == http.StatusForbidden: // and it is about this record
		case outbound.Classify(status) == destination.Retry || status < 300:
			res.Outcome = destination.Retry
			hint = "another attempt follows"
		}
	}
	res.Reason = line + ": " + hint
	return res
}

// aboutRecord says that a refusal concerns the records at hand, and not what the user may do at all.
func aboutRecord(errs []apiError) bool {
	for _, e := range errs {
		if e.Code == "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" || e.Code == "INSUFFICIENT_ACCESS_OR_READONLY" ||
			strings.HasPrefix(e.Code, "CANNOT_") {
			return true
		}
	}
	return false
}

// whole is the Result of a request that failed as a whole: no answer, or one that is an error.
func (d *Destination) whole(a *outbound.Answer, err error) destination.Result {
	if err != nil {
		return outbound.ResultFrom(nil, err, d.now())
	}
	if a.Status >= 300 && a.Status < 400 && a.Status != http.StatusMultipleChoices {
		return outbound.ResultFrom(a, nil, d.now())
	}
	res := verdict(a.Status, parseErrors(a.Body))
	if after := outbound.RetryAfter(a.Header, d.now()); res.Outcome == destination.Retry && after > 0 {
		res.RetryAfter = after
	}
	res.Excerpt = a.Body[:min(len(a.Body), outbound.MaxExcerpt)]
	return res
}

// unreadable is the Result of a success whose body says nothing that could be relied on.
func unreadable(status int) destination.Result {
	return destination.Result{Status: status, Unhealthy: true, Reason: "Salesforce answered " + strconv.Itoa(status) +
		" without a readable body: the outcome is unknown, another attempt follows; check that the instance is right and no proxy stands between"}
}

// Package salesforce delivers calls to Salesforce as leads (or another object), over the REST API.
//
// # How a call finds its record
//
// With Config.ExternalID set, the record is upserted by the call's id:
//
//	PATCH /services/data/v67.0/sobjects/Lead/Call_Id__c/{call id}
//
// which Salesforce documents as the idempotent alternative to a POST. However often a delivery is repeated, and
// whatever order the events of one call come in, they land on one record. The field must be a Text(255) marked as
// External ID, and should be Unique and case-sensitive. A call without an id is written under the id of its event.
//
// Without an external id, the destination looks for a record first: the one that the call's log belongs to (with
// LogCall), else one with the caller's e-mail address, else one with the caller's number in any of the ways it is
// usually written, unless that record carries a different e-mail address (several people share a number). Records
// older than Config.Window, and deleted and converted leads, are no candidates. It is then updated, or a new one is
// created. Deliveries that share a call id, an address or a number wait for each other, so that two at once do not
// create two leads; that holds inside one process only, and a call that tells neither number nor address cannot be
// found again at all, which are two reasons to prefer an external id. The look-up is SOQL and not a search, because
// a search index lags behind and would miss the lead that was created a second ago.
//
// # What is sent when
//
// Empty values are never sent, so that an event that knows less cannot erase what an earlier one knew. For the same
// reason the defaults of required fields ("Unknown") are kept for a record that is new. How the destination knows:
//
//   - Usually it does not ask. The upsert goes out without defaults; Salesforce updates the record if there is one, and
//     else answers REQUIRED_FIELD_MISSING when LastName or Company is unknown, in which case the same upsert is repeated
//     with the defaults. One request for an update and for a complete new lead, two for an incomplete new lead.
//   - When something must happen to new records only (a field that is OnCreate, a Status, an assignment rule), when there
//     is no external id, or when a call log without an external id of its own is wanted, queries go first: two requests
//     always. Record and log are looked for in one composite request, and written in another.
//
// A record that was found by address, number or duplicate rule may be another call's, and a person may have
// worked on it. Who the caller is (names, company, numbers, address, title) is filled in only where the record has nothing or
// "Unknown"; another number or address, and what this call is about, go into the description above what is there;
// other fields take this call's value; fixed texts are left alone.
//
// With LogCall the call is also logged as a completed Task of the record. With TaskExternalID it is upserted in the same
// composite request as the record; otherwise the Task whose CallObject is the call's id is looked for first. The
// composite request is not "all or none": a lead must not be lost because its log was refused. A log that cannot be
// written is a warning; one that may be written later makes the delivery retry, which finds the lead that is there.
//
// Several waiting calls go out together, up to 200 in one request of sObject Collections, when nothing needs looking for.
//
// Around the documented errors of single fields the lead is delivered nevertheless, with a warning: an
// unknown field or a value that a restricted picklist refuses is dropped, text that is too long is cut, and an e-mail
// address that Salesforce refuses goes into the description.
package salesforce

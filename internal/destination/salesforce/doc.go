// Package salesforce delivers calls to Salesforce as leads (or another object), over the REST API.
//
// # How a call finds its record
//
// A caller who calls five times is one lead with five logs (MatchCaller, the default for leads and contacts). The
// destination looks first, with one composite request:
//
//   - for the record that carries the call's id, with Config.ExternalID;
//   - for the record that the call's log belongs to;
//   - beside leads, for a contact with the caller's e-mail address or number: a customer who calls is no lead. The call is
//     then logged as a Task of the contact, also without LogCall, with everything that a lead would have been told, and
//     nothing else is written. Where the log is refused, the lead is written after all;
//   - for a record of the object with the caller's address, else with the caller's number in any of the ways it is
//     usually written, unless that record carries a different e-mail address (several people share a number). Records
//     older than Config.Window, and deleted and converted leads, are no candidates.
//
// What is found is updated; else a new record is created, or upserted by the call's id:
//
//	PATCH /services/data/v67.0/sobjects/Lead/Call_Id__c/{call id}
//
// which Salesforce documents as the idempotent alternative to a POST. The field must be a Text(255) marked as External ID,
// and should be Unique and case-sensitive. A call without an id is written under the id of its event. Deliveries that
// share a call id, an address or a number wait for each other, so that two at once do not create two leads; that holds
// inside one process only, and without an external id a call that tells neither number nor address cannot be found again
// at all. The look-up is SOQL and not a search, because a search index lags behind and would miss the lead that was
// created a second ago.
//
// With MatchCall each call is a record of its own, upserted by its id without looking for anything, up to 200 in one
// request. That is the only way for objects other than leads and contacts.
//
// A lead that was converted takes nothing any more; what is still said of its call is logged on the contact that it became.
// A duplicate rule that forbids the lead because the caller is a contact leads to the contact too.
//
// # What is sent when
//
// Empty values are never sent, so that an event that knows less cannot erase what an earlier one knew. For the same
// reason the defaults of required fields ("Unknown") are kept for a record that is new. How the destination knows:
//
//   - With MatchCall, and for callers who tell neither address nor number, it does not ask. The upsert goes out without
//     defaults; Salesforce updates the record if there is one, and else answers REQUIRED_FIELD_MISSING when LastName or
//     Company is unknown, in which case the same upsert is repeated with the defaults. One request for an update and for a
//     complete new lead, two for an incomplete new lead.
//   - When callers are looked for, when something must happen to new records only (a field that is OnCreate, a Status, an
//     assignment rule), or when a call log without an external id of its own is wanted, queries go first: two requests
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
// # Cases, opportunities and campaign members
//
// With Config.Case, Opportunity and CampaignMember a call is also one of these, once its lead or contact is written: one
// composite request looks which are there, and another writes them all. A case is the contact's; a lead's only says who
// called (SuppliedName and the like), since cases know no leads, and so does an opportunity by its name. What a later event
// of the call says is added; stage, status and what people change are left alone. A step that fails makes the delivery fail,
// and its reason begins with the step; what is carried out is kept in Config.Progress and not repeated.
//
// # Errors
//
// Around the errors of single fields the lead is delivered nevertheless, with a warning: text that is too long is cut, any
// other field that Salesforce names in a refusal is left out, and what the caller said in it, such as a state that is none
// of the picklist's or an e-mail address that is none, goes into the description. A required field gets its default. What is
// wrong for every call, because it is of the configuration (an owner, a record type, a permission), pauses the destination
// and keeps the calls. A lock is worth another attempt, whatever the code of the error that tells of it.
package salesforce

// Package hubspot delivers calls to HubSpot: the caller as a contact, the call as an engagement on its timeline.
//
// # How a call finds its contact
//
// A caller with an e-mail address is upserted by it, up to 100 in one request
// (POST /crm/v3/objects/contacts/batch/upsert), which HubSpot makes idempotent. HubSpot has no other key of its own, so
// before that, and for a caller without an address, the destination looks for a contact that:
//
//   - holds the call's id in Config.ContactProperty, a unique property that the operator made. It needs no search, and
//     is the only way that survives everything;
//   - was written for the same call or number a moment ago (search results lag some seconds behind writes). Where the
//     answer to a create was lost, the search is waited for, up to a minute, before the contact is created again. This is
//     known inside one process, and beyond it with Config.Notes;
//   - has the caller's number, in whatever way it is written. A contact without an e-mail address is then given the
//     caller's, unless its name says that it is somebody else: so call_ended, which knows no address, and call_analyzed,
//     which does, end in one contact. A contact with another address is left alone.
//
// A caller who is not found is created; one without address and number only where Config.CreateNameless says so. A
// conflict ("Contact already exists. Existing ID: 7") becomes an update of that contact. Deliveries that share an
// address, a number or a call wait for each other inside one process.
//
// # What is written
//
// Empty values never are, so that an event that knows less cannot erase what an earlier one knew. Owner, lifecycle
// stage and lead status are written to new contacts only: a lead that somebody works on must not fall back to NEW. A
// contact that was found by its number keeps its name, since several people share a telephone.
//
// A contact may have secondary addresses (hs_additional_emails). One that finds the contact is not written to it, because
// that would make it the primary address.
//
// A date property gets the account's day in place of a moment, and an option property the value in place of its label,
// once HubSpot has said by a refusal that this is what they are. {{x|map:…}} puts values in place of other words.
//
// A property that HubSpot does not have, or does not let us write, is left out, and a warning names it once per
// process; a value that it does not accept is left out of that contact. One bad property must not cost a lead.
//
// With Config.LogCall the call is logged as an engagement, and found again by Config.CallProperty (unique, made by the
// operator) or else by searching hs_call_external_id. With Config.Note a note is, found by a reference in its text.
//
// # Deals, tickets and companies
//
// With Config.Deal and Config.Ticket one call is one deal, one ticket: made with its association to the contact, and to the
// company of Config.Company, in the one request that creates it, and found again by a property with unique values or else by
// a reference in its text, as notes are. A company is found by its domain or name, and gets the contact by the default
// association, which may be repeated. A step that fails makes the delivery fail, and its reason begins with the step; what
// is written by then is kept in Config.Progress, and the next attempt goes on there. A stage, pipeline or property that
// HubSpot does not take of any call pauses the destination.
//
// # Sources
//
// HubSpot developer documentation: CRM objects (contacts, calls, notes), batch end points and multi-status errors
// (objectWriteTraceId), CRM search, usage guidelines (limits), error handling, OAuth, associations v4 (default associations, association type ids), pipelines. Answers are read leniently, as the
// documentation asks: every field may be missing.
package hubspot

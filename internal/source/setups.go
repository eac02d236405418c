package source

// setups are what is done at each sender, by the preset.
//
// Guessed: where seen is not set, the steps follow what is generally known of the product, or pages of others; the vendor's own
// page was not read. Where it is set, the page is named behind the row.
var setups = map[string]setup{
	"nextphone": {
		steps: []string{
			"In NextPhone open the webhook of the receptionist, or make one: POST to {url}, Content-Type application/json.",
			"Fill the body template with what the gateway should know; at the least caller_number, and something that tells one call from another, such as the time.",
			"Turn signing on, so that requests carry X-Nextphone-Signature.",
			"Choose when it fires: during the call for what is urgent, after it for the whole record.",
		},
		secret: "The webhook's signing secret, as text.",
		mind:   []string{"It signs no time and sends no id of the event, so copies are known by the body alone."},
		seen:   true, // the guide that this product comes from
	},
	"generic": {
		steps: []string{
			"Have the sender POST JSON, a form or XML to {url}.",
			"Say on the source with verify how the sender shows that it is the sender: an HMAC, a token in a header, a token in the address, or a client certificate.",
			"Say with event_id where its body tells one event from another, if it does.",
		},
		secret: "Whatever the scheme in verify takes.",
		seen:   true, // it is ours
	},
	"retell": {
		steps: []string{
			"In Retell's dashboard set {url} as the webhook URL of the agent, or of the account under Settings, Webhooks; the agent's wins.",
			"Leave call_started, call_ended and call_analyzed on; call_analyzed is the one with the summary and what was collected.",
		},
		secret: "The API key that carries the webhook badge in the dashboard.",
		mind:   []string{"It sends from 100.20.5.228, which remote_ip can name.", "call_ended comes first and call_analyzed after it: destinations that merge by the call's id get one record of both."},
		seen:   true, // docs.retellai.com/features/webhook-overview, secure-webhook
	},
	"vapi": {
		steps: []string{
			"In Vapi set {url} as the server URL of the assistant, the phone number or the organization; the assistant's wins over the number's, and that over the organization's.",
			"Among the server messages of the assistant leave end-of-call-report on, and turn off what nobody needs.",
			"Make a credential for the server URL and choose it there: without one Vapi shows nothing by which it could be known.",
		},
		secret: "The credential's token, or its HMAC secret (then write verify vapi-hmac on the source).",
		mind:   []string{"A backoff plan on the server URL has it send again."},
		seen:   true, // docs.vapi.ai/server-url/setting-server-urls, server-authentication
	},
	"elevenlabs": {
		steps: []string{
			"In ElevenLabs' settings under Webhooks make a webhook with HMAC to {url}; an admin of the workspace can.",
			"In the settings of the Agents Platform choose it as the post-call webhook, with transcription events; audio only where it is wanted, since it is large.",
			"Turn retries on for the webhook: they are off by default.",
		},
		secret: "The shared secret that is shown once when the webhook is made.",
		mind:   []string{"It turns a webhook off after 10 failures in a row without a success for 7 days."},
		seen:   true, // elevenlabs.io/docs/eleven-api/resources/webhooks
	},
	"bland": {
		steps: []string{
			"In Bland's account settings, under Keys, make a webhook signing secret.",
			"Set {url} as the webhook of the inbound number or agent, or as webhook in the request that starts a call.",
		},
		secret: "The webhook signing secret, which is shown once.",
		mind:   []string{"It signs no time."},
		seen:   true, // docs.bland.ai/tutorials/webhook-signing
	},
	"twilio": {
		steps: []string{
			"In Twilio's console, at the phone number under Voice, set {url} as Call status changes, with HTTP POST.",
			"For recordings and transcriptions set the same address as recordingStatusCallback and transcribeCallback where they are started.",
			"Leave A call comes in at what answers the call.",
		},
		secret: "The auth token of the account.",
	},
	"callrail": {
		steps: []string{
			"In CallRail under Integrations, Webhooks, choose the company.",
			"Enter {url} at Post-Call and, for recordings and notes that come later, at Call Modified; then Activate.",
		},
		secret: "The company's webhook signing token, on the same page; one for each company.",
		mind:   []string{"Post-Call can come up to 20 minutes after the call.", "An address that keeps failing gets the integration turned off."},
		seen:   true, // support.callrail.com/hc/en-us/articles/5711246459149
	},
	"quo": {
		steps: []string{
			"In Quo's settings under Webhooks, or by POST /webhooks of its API, make a webhook to {url}.",
			"Choose call.completed and, where there are any, call.summary.completed, call.transcript.completed and call.recording.completed.",
		},
		secret: "The webhook's signing secret; whsec_ and base64 of one made by the newer API, base64 of an older one.",
		mind:   []string{"Events of one call come in any order."},
	},
	"aircall": {
		steps: []string{
			"In Aircall's dashboard on the Integrations page install the Webhook integration, or use POST /v1/webhooks.",
			"Set {url} as its URL and turn on call.ended and, where there are any, summary.created and transcription.created.",
		},
		secret: "The webhook's token, which is in each event.",
		mind:   []string{"It turns a webhook off that keeps failing.", "call.ended comes about 30 seconds after the call; call.hungup at once, with less in it."},
		seen:   true, // developer.aircall.io/docs/webhooks-overview
	},
	"dialpad": {
		steps: []string{
			"With Dialpad's API make a webhook: POST /api/v2/webhooks with hook_url {url} and a secret of your own, unique to it.",
			"Subscribe it to calls: POST /api/v2/subscriptions/call with the webhook's id and the call states hangup and recording; and call_transcription where it is wanted.",
		},
		secret: "The secret that you gave the webhook.",
		mind:   []string{"Without a secret it sends plain JSON, which the gateway refuses."},
		seen:   true, // developers.dialpad.com/docs/event-subscriptions, webhook-delivery-failures
	},
	"telnyx": {
		steps: []string{
			"In Telnyx's Mission Control Portal set {url} as the webhook URL of the Call Control application, the TeXML application or the AI assistant, with API v2.",
			"Set a failover URL if there is a second gateway.",
		},
		secret: "Its public key, under Keys & Credentials; write it as public_key.",
	},
	"signalwire": {
		steps:  []string{"In SignalWire's dashboard set {url} as the status callback, or the handler, of the phone number or the resource."},
		secret: "The project's signing key, PSK…, under API credentials.",
	},
	"synthflow": {
		steps:  []string{"In Synthflow set {url} as the post-call webhook of the agent."},
		secret: "The webhook secret of the workspace.",
		mind:   []string{"It signs the id of the call and nothing else, so whoever has seen one request can send another body for that call: name its addresses with remote_ip if you can."},
	},
	"vonage": {
		steps: []string{
			"In Vonage's dashboard set {url} as the event URL of the application, with POST, under Voice.",
			"Turn signed webhooks on for the application.",
		},
		secret: "The signature secret of the account.",
	},
	"zoom": {
		steps: []string{
			"In Zoom's App Marketplace make a webhook-only or server-to-server app and add an event subscription with {url} as its endpoint.",
			"Choose the events of Zoom Phone: callee and caller call log completed, recording completed, voicemail received.",
			"Press Validate: the gateway answers with what Zoom expects once the secret is in its configuration.",
		},
		secret: "The secret token of the app, under Features.",
		mind:   []string{"It validates the address again every 72 hours, and turns the subscription off if that fails."},
	},
	"meta": {
		steps: []string{
			"In Meta's app dashboard under Webhooks, Page, enter {url} as the callback URL and a verify token of your own, which is handshake_token in the gateway.",
			"Subscribe to leadgen, and subscribe the page to the app.",
		},
		secret: "The app secret.",
		mind:   []string{"A notification has the id of a lead and not its answers: a destination asks for them."},
	},
	"ringcentral": {
		steps: []string{
			"With RingCentral's API make a subscription: POST /restapi/v1.0/subscription with deliveryMode {transportType: WebHook, address: {url}, verificationToken: one of your own}.",
			"Give as eventFilters /restapi/v1.0/account/~/telephony/sessions.",
			"On the source write verify api_key { header Verification-Token }.",
		},
		secret: "The verification token that you chose.",
		mind:   []string{"A subscription ends by itself unless it is renewed, or made with a long expiresIn."},
	},
	"google-ads": {
		steps:  []string{"In Google Ads, at the lead form under Lead delivery, Webhook integration, enter {url} and a key of your own; then Send test data."},
		secret: "The key that you typed in.",
	},
	"plivo": {
		steps:  []string{"In Plivo's console set {url} as the hangup URL of the application, with POST, and as the callback of recordings."},
		secret: "The auth token of the account.",
	},
	"livekit": {
		steps:  []string{"In LiveKit Cloud's project settings under Webhooks add {url}, or list it under webhook.urls of a server of your own, and choose the API key that signs."},
		secret: "The API secret of that key.",
	},
	"justcall": {
		steps:  []string{"In JustCall under APIs and Webhooks add {url} for call completed, call updated and the messages that are wanted."},
		secret: "The webhook secret, on the same page.",
	},
	"jotform": {
		steps:  []string{"In Jotform's form builder under Settings, Integrations, WebHooks enter {url}, with the token in its query (?token=…)."},
		secret: "The token in the address, of your own; on the source write verify api_key { query token }.",
	},
	"gohighlevel": {
		steps: []string{
			"In a HighLevel Marketplace app under Webhooks enter {url} and choose InboundMessage, OutboundMessage and ContactCreate.",
			"Deliver only what is of your location: deliver crm `call.params.locationId == \"…\"`.",
		},
		secret: "None need be given: the vendor's public key is built in. It is one for all of its customers.",
		seen:   true, // marketplace.gohighlevel.com/docs/webhook/WebhookIntegrationGuide, in parts
	},
	"ultravox": {
		steps:  []string{"With Ultravox's API make a webhook: POST /api/webhooks with url {url} and the events call.ended and call.billed."},
		secret: "The webhook's secret; it can have several.",
		seen:   true, // docs.ultravox.ai/webhooks
	},
	"sinch": {
		steps:  []string{"In Sinch's dashboard set {url} as the callback URL of the voice app."},
		secret: "The app's secret, which is base64.",
	},
	"bandwidth": {
		steps:  []string{"In Bandwidth's dashboard set {url} as the callback URL of the voice or messaging application, with a user name and password."},
		secret: "The two with a colon between: user:password.",
		seen:   true, // dev.bandwidth.com/docs/messaging/webhooks
	},
	"calltrackingmetrics": {
		steps:  []string{"In CallTrackingMetrics under Flows, Webhooks (or Triggers) enter {url}, with the token in its query (?token=…), at the end of a call."},
		secret: "The token in the address, of your own; on the source write verify api_key { query token }.",
	},
	"typeform": {
		steps:  []string{"In Typeform's form under Connect, Webhooks add {url}, edit it to set a secret, and turn it on."},
		secret: "The secret that you set.",
	},
	"tally": {
		steps:  []string{"In Tally's form under Integrations, Webhooks add {url} with a signing secret."},
		secret: "The signing secret.",
	},
	"calcom": {
		steps:  []string{"In Cal.com under Settings, Developer, Webhooks add {url} with a secret, for Booking created, rescheduled and cancelled."},
		secret: "The secret that you set.",
	},
	"standard-webhooks": {
		steps:  []string{"At the sender add {url} as an endpoint and choose its events."},
		secret: "The endpoint's signing secret, whsec_ and base64; or the sender's public key, whpk_ and base64, as public_key.",
		seen:   true, // the specification
	},
	"svix": {
		steps:  []string{"In the sender's webhook portal add {url} as an endpoint and choose its events."},
		secret: "The endpoint's signing secret, whsec_ and base64.",
		seen:   true, // Svix's own documentation
	},
	"github": {
		steps:  []string{"In the repository or organization under Settings, Webhooks add {url} with content type application/json and a secret."},
		secret: "The secret that you set.",
	},
	"stripe": {
		steps:  []string{"In Stripe's dashboard under Developers, Webhooks add {url} as an endpoint and choose its events."},
		secret: "The endpoint's signing secret, whsec_…, as text.",
	},
	"slack": {
		steps:  []string{"In the Slack app under Event Subscriptions enter {url} as the request URL, which the gateway answers once the secret is in its configuration; under Interactivity and Slash Commands likewise."},
		secret: "The signing secret of the app, under Basic Information.",
	},
	"shopify": {
		steps:  []string{"In Shopify subscribe the app to the topics, with {url} as the address; or in the shop's settings under Notifications, Webhooks, for JSON."},
		secret: "The client secret of the app, or the key that the page of Notifications shows.",
	},
	"hubspot": {
		steps:  []string{"In the HubSpot app under Webhooks set {url} as the target URL and subscribe to events."},
		secret: "The client secret of the app.",
	},
	"calendly": {
		steps:  []string{"With Calendly's API make a subscription: POST /webhook_subscriptions with url {url}, events invitee.created and invitee.canceled, and a signing_key."},
		secret: "The signing key.",
	},
	"zendesk": {
		steps:  []string{"In Zendesk's Admin Center under Apps and integrations, Webhooks make a webhook to {url}, and connect it to events or a trigger."},
		secret: "The webhook's signing secret, which its page reveals; as text.",
	},
	"intercom": {
		steps:  []string{"In Intercom's Developer Hub at the app under Webhooks enter {url} and choose its topics."},
		secret: "The client secret of the app.",
	},
}

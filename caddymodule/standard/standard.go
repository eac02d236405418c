// Package standard imports everything that belongs to a complete gateway, as Caddy's modules/standard does for Caddy. A
// program of one's own that imports caddymodule and some guest modules alone has just those.
package standard

import (
	_ "github.com/callgate/callgate/caddymodule"              // the app callgate and the handler callgate
	_ "github.com/callgate/callgate/caddymodule/adminapi"     // what operators see and do, at the admin endpoint
	_ "github.com/callgate/callgate/caddymodule/commands"     // callgate send, sign, verify and so on
	_ "github.com/callgate/callgate/caddymodule/dashboard"    // callgate_dashboard
	_ "github.com/callgate/callgate/caddymodule/destinations" // destination NAME KIND
	_ "github.com/callgate/callgate/caddymodule/ready"        // callgate_ready
	_ "github.com/callgate/callgate/caddymodule/stores"       // store NAME
	_ "github.com/callgate/callgate/caddymodule/transport"    // reverse_proxy { transport callgate }
	_ "github.com/callgate/callgate/caddymodule/verifiers"    // verify NAME
)

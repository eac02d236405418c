// Package callgate is the Caddy plugin github.com/callgate/callgate, so that `xcaddy build --with` finds it under that name.
package callgate

import (
	_ "github.com/callgate/callgate/caddymodule"          // the app and the handler
	_ "github.com/callgate/callgate/caddymodule/adminapi" // what operators see and do, at the admin endpoint
	_ "github.com/callgate/callgate/caddymodule/commands" // caddy callgate send, sign, verify
)

// Package callgate is the Caddy plugin github.com/callgate/callgate, so that `xcaddy build --with` finds it under that name.
package callgate

import _ "github.com/callgate/callgate/caddymodule/standard" // the app, the handler, the guest modules and the commands

package caddymodule

// What the configurations of the tests name, and the app does not import.
import (
	_ "github.com/callgate/callgate/caddymodule/destinations"
	_ "github.com/callgate/callgate/caddymodule/stores"
	_ "github.com/callgate/callgate/caddymodule/transport"
	_ "github.com/callgate/callgate/caddymodule/verifiers"
)

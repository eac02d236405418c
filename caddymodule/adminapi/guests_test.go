package adminapi

// The guest modules that the configurations of the tests name.
import (
	_ "github.com/callgate/callgate/caddymodule/destinations"
	_ "github.com/callgate/callgate/caddymodule/stores"
	_ "github.com/callgate/callgate/caddymodule/verifiers"
)

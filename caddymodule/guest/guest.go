// Package guest says what the guest modules of Callgate are: kinds of systems that calls are delivered to, signature
// schemes, and stores. A guest module is a Caddy module in one of three namespaces:
//
//   - callgate.destinations.NAME implements [Destination]: "destination crm NAME { ... }"
//   - callgate.verifiers.NAME implements [Verifier]: "verify NAME { ... }"
//   - callgate.stores.NAME implements [Store]: "store NAME { ... }"
//
// It is one file in a package of its own, in this repository or in another one, that is imported by the program that
// runs the gateway (xcaddy build --with github.com/callgate/callgate --with its/package). The file has
//
//   - a struct whose exported fields are the settings, with their JSON names; in doc comments their units and defaults
//   - func init, which calls caddy.RegisterModule
//   - CaddyModule, which gives its id in the namespace and makes an empty one
//   - UnmarshalCaddyfile, which reads the lines of its block with the package grammar; the next token is the module's
//     name, and lines that every destination has, such as rate, are not among them
//   - the method of the interface below, which checks the settings and makes the thing itself
//   - and, if there is more to check that needs the machine or to let go of, Provision and Cleanup, as any Caddy module
//
// A store keeps more promises than an interface can say: it is written in this repository, beside the tests that every
// store has to pass. The other two need nothing but this package, grammar and secret; examples/custom-destination is one.
//
// Nothing else has to name a guest: the configuration finds it by its id. Settings that hold secrets are placeholders such as
// {env.NAME}; a destination resolves them with DestinationOptions.Resolve, any other guest with the package secret.
package guest

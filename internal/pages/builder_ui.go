//go:build !callgate_noui

package pages

import _ "embed"

//go:generate sh -c "cd builder && npm ci --ignore-scripts && npm run build"

//go:embed assets/builder.js
var builderScript []byte

//go:embed assets/builder.css
var builderStyle []byte

// builderFiles are the builder's own, by their names among those of static.
var builderFiles = map[string][]byte{"builder.js": builderScript, "builder.css": builderStyle}

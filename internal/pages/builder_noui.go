//go:build callgate_noui

package pages

// builderFiles are none: the tag callgate_noui leaves the builder out, which is the largest part of the pages.
var builderFiles map[string][]byte

package definition

import (
	"embed"
	"path"
	"slices"
	"strings"
)

// guideFiles are the webhook documents of the guide, as it has them.
//
//go:embed guide/*.json
var guideFiles embed.FS

// guideTitles say in a word whose document it is.
var guideTitles = map[string]string{
	"lead": "A lead to your own system", "hubspot": "HubSpot contact", "salesforce": "Salesforce lead", "custom-api": "Any REST API",
}

// Example is a document to begin from.
type Example struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Guide gives the documents of the guide, by name.
func Guide() []Example {
	entries, err := guideFiles.ReadDir("guide")
	if err != nil {
		panic(err) // they are in the program
	}
	var all []Example
	for _, e := range entries {
		text, err := guideFiles.ReadFile(path.Join("guide", e.Name()))
		if err != nil {
			panic(err)
		}
		name := strings.TrimSuffix(e.Name(), ".json")
		all = append(all, Example{name, guideTitles[name], string(text)})
	}
	slices.SortFunc(all, func(a, b Example) int { return strings.Compare(a.Name, b.Name) })
	return all
}

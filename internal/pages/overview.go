package pages

var overviewPages = []page{
	{methods: get, pattern: "", operation: "Destinations", nav: "Overview", serve: (*request).overview},
}

// overview is the page that needs no looking for: what needs somebody, and how each destination stands.
func (q *request) overview() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	list, err := s.Destinations(q.ctx(), q.actor)
	if err != nil {
		return err
	}
	data := struct {
		Title        string
		Destinations []destinationRow
	}{Title: "All is well"}
	for i := range list.Destinations {
		data.Destinations = append(data.Destinations, q.destinationRow(&list.Destinations[i]))
	}
	return q.show("overview", data.Title, data)
}

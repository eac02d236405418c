package sqlite

// nameID is the number of a name, which the batch gives it if it has none.
func (b *batch) nameID(name string) (int64, error) {
	if id, ok := b.s.names.ID(name); ok {
		return id, nil
	}
	if id, ok := b.names[name]; ok {
		return id, nil
	}
	id := b.s.names.Last() + int64(len(b.names)) + 1
	if _, err := b.c.exec("INSERT INTO names (id, name) VALUES (?, ?)", id, name); err != nil {
		return 0, err
	}
	b.names[name] = id
	return id, nil
}

package sealed

import (
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// DataKeyInfo is what is said of a data key, without the key.
func DataKeyInfo(row *seal.DataKey) store.DataKey {
	k := store.DataKey{ID: row.ID.String(), Tenant: row.Tenant, Created: row.Created, Retired: row.Retired, Destroyed: row.Destroyed}
	if w, err := seal.ParseWrapped(row.Wrapped); err == nil && w.Remote {
		k.WrappedBy = "transit"
	} else if err == nil {
		k.WrappedBy = "encryption_key " + w.Key.String()
	}
	return k
}

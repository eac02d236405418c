package guest

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// Store is a guest module in the namespace callgate.stores: where accepted events are kept.
type Store interface {
	// StoreKey names the store itself, such as the file it is in, and nothing of its settings: two configurations
	// with the same key share it, also while one takes over from the other.
	StoreKey() string
	// OpenStore is called when the first configuration that uses the store starts, and not when one is validated.
	OpenStore(StoreOptions) (store.Store, error)
}

// StoreTuner is a Store with settings that an open store can take over, so that a reload is enough for them.
type StoreTuner interface {
	// TuneStore has a store, which a module with the same StoreKey has opened, take the settings over.
	TuneStore(store.Store, StoreOptions)
}

// StoreChecker is a Store that can tell whether an open store could take over settings: those that a reload brings.
type StoreChecker interface {
	// CheckStore refuses what the store, which a module with the same StoreKey has opened, could not go on with.
	CheckStore(store.Store, StoreOptions) error
}

// StoreFile is a Store that is a file of this machine.
type StoreFile interface {
	// File is its absolute path.
	File() string
}

// StoreBackup is a Store whose store can be copied to one file while it is in use, and made from such a file.
type StoreBackup interface {
	// BackupStore writes what is stored now to a new file, also while a gateway works with the store.
	BackupStore(ctx context.Context, file string) (Backed, error)
	// RestoreStore makes the store of a backup. There must be none yet.
	RestoreStore(ctx context.Context, file string) (Backed, error)
}

// StoreGateway is a Store that several gateways share, in which each can have a name.
type StoreGateway interface {
	// GatewayName is this gateway's; empty stands for the machine's name.
	GatewayName() string
}

// StoreLeft is a Store that can tell what waits in its store without opening it.
type StoreLeft interface {
	// WaitingInStore counts the deliveries that wait, by destination; inUse tells that somebody delivers them.
	WaitingInStore() (waiting map[string]int64, inUse bool, err error)
}

// Backed is what a backup holds.
type Backed struct {
	// Store says where the store is.
	Store string
	// Events and Pending count events, and deliveries that wait.
	Events, Pending int64
	// Bytes is the length of the file.
	Bytes int64
}

// StoreOptions are what a store's module is given besides its own settings.
type StoreOptions struct {
	// Window is how long the unique key of an event is remembered.
	Window time.Duration
	// Keys seal what is stored; nil stores it as it is.
	Keys *seal.Ring
	// Wrapping says whether tenants have data keys, and who wraps them; with Keys only.
	Wrapping seal.Wrapping
	// Committed, if not nil, hears of every commit.
	Committed func(requests int, took time.Duration)
	// CacheBytes bounds the memory for pages of the store; 0 is for the store to choose.
	CacheBytes int64
	Logger     *zap.Logger
}

package store

import (
	"context"
	"errors"
	"time"
)

// DataKeyed is a Store whose tenants can have data keys of their own, with which their content is sealed. A store keeps them
// wrapped, and makes one when the first event of a tenant is accepted. Accept fails with ErrUnavailable when it cannot be had.
//
// Content that was sealed with a data key that was destroyed is gone: its event is Dropped, its excerpts are nil.
type DataKeyed interface {
	Store
	// DataKeys lists the data keys, of these tenants only unless tenants is nil, in the order of tenants and of their making;
	// those that were destroyed too.
	DataKeys(ctx context.Context, tenants []string) ([]DataKey, error)
	// RotateDataKey makes a new data key for a tenant, with which its new content is sealed. The one before goes on opening
	// what it has sealed. ErrNoDataKeys means that tenants have none.
	RotateDataKey(ctx context.Context, tenant string) (DataKey, error)
	// DestroyDataKeys destroys all data keys of a tenant, so that nothing that they have sealed can be read any more, here or
	// in a copy that has no wrapped key; and takes away the content of all its events, whatever sealed it, the oldest first.
	// Deliveries that wait become Dead with ContentGone as their reason. The events stay in the listings. An error leaves the rest, and can be
	// followed by another call. ErrWrapperKept means that all is done but one thing. ErrNotFound means that the tenant never had one. With dryRun it only counts.
	DestroyDataKeys(ctx context.Context, tenant string, dryRun bool) (Destroyed, error)
	// VerifyDataKeys unwraps every data key that is not destroyed anew and tells each what came of it.
	VerifyDataKeys(ctx context.Context, each func(DataKey, error)) error
	// RekeyTenants seals all content of tenants again, of each with a data key that is made for it, and destroys those that
	// had sealed it before. It calls progress like Rekey.
	RekeyTenants(ctx context.Context, tenants []string, progress func(done, total int)) error
}

// DataKey is what can be told of a data key.
type DataKey struct {
	// ID is its id in hexadecimal, as in the header of what it seals.
	ID     string `json:"id"`
	Tenant string `json:"tenant"`
	// WrappedBy is who has wrapped it: encryption_key with the id of the key, or transit. Empty if it is destroyed.
	WrappedBy string `json:"wrapped_by,omitempty"`
	// Created is when it was made. It seals until Retired, and opens until Destroyed.
	Created   time.Time `json:"created"`
	Retired   time.Time `json:"retired,omitzero"`
	Destroyed time.Time `json:"destroyed,omitzero"`
}

// Destroyed is what DestroyDataKeys did.
type Destroyed struct {
	// Keys is how many data keys were destroyed, Events how many events have lost their content, and Deliveries how many
	// deliveries of these were waiting and are dead now.
	Keys       int `json:"keys"`
	Events     int `json:"events"`
	Deliveries int `json:"deliveries"`
}

// ContentGone is the reason of a delivery whose content was destroyed before it was delivered.
const ContentGone = "its content was destroyed with the tenant's data key before it was delivered"

// ErrWrapperKept means that a tenant's data keys are destroyed, and what has wrapped them is not.
var ErrWrapperKept = errors.New("the data keys are destroyed here")

// ErrNoDataKeys means that tenants have no data keys.
var ErrNoDataKeys = errors.New("tenants have no data keys: write data_keys beside encryption_key")

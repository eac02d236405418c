package salesforce

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/keylock"
	"github.com/callgate/callgate/internal/outbound"
)

// Destination writes calls to one Salesforce organization. It is safe for concurrent use.
type Destination struct {
	cfg     Config
	sources []source
	client  *outbound.Client
	auth    outbound.Authorizer
	now     func() time.Time

	prefix    string // "/services/data/v67.0"
	lengths   *lengths
	taskSizes *lengths
	locks     keylock.Locks
	describer describer
	described bool // Description is among the object's fields
	steps     []*step
	// createOnly says that new records get something that existing ones must not, so that a look-up goes first.
	createOnly bool
}

var _ destination.Destination = (*Destination)(nil)

// New returns the destination. The errors wrap ErrConfig and hold no secret.
//
// client carries the requests and auth signs them in: outbound.OAuth2ClientCredentials, outbound.OAuth2Refresh or
// outbound.JWTBearer with TokenURL(cfg.Instance). The tokens of the last two, and of client credentials in
// many organizations, come without a lifetime: they serve until Salesforce refuses one, and are then renewed once. now
// is the clock.
func New(cfg Config, client *outbound.Client, auth outbound.Authorizer, now func() time.Time) (*Destination, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	switch {
	case client == nil || now == nil:
		return nil, fmt.Errorf("%w: a client and a clock are needed", ErrConfig)
	case auth == nil:
		return nil, fmt.Errorf("%w: no credentials; configure client credentials, a refresh token or a JWT bearer key", ErrConfig)
	}
	fields, err := layOver(DefaultFields(cfg.Object), cfg.Fields)
	if err != nil {
		return nil, err
	}
	if cfg.Status != "" {
		status := Field{Name: "Status", Text: cfg.Status, OnCreate: true}
		if fields, err = layOver(fields, []Field{status}); err != nil {
			return nil, err
		}
	}
	if len(fields) == 0 {
		return nil, fmt.Errorf("%w: object %s has no fields; map some", ErrConfig, cfg.Object)
	}
	d := &Destination{
		cfg: cfg, client: client, auth: auth, now: now,
		prefix:  "/services/data/" + cfg.APIVersion,
		lengths: newLengths(cfg.Object), taskSizes: newLengths("Task"),
		described: standardLengths[cfg.Object][description] > 0,
	}
	if d.sources, err = prepare(fields, cfg.TimeZone, cfg.Region); err != nil {
		return nil, err
	}
	for _, s := range d.sources {
		if strings.EqualFold(s.Name, cfg.ExternalID) {
			return nil, fmt.Errorf("%w: field %s is the external id, which is the call's id; remove it from the fields", ErrConfig, s.Name)
		}
		d.createOnly = d.createOnly || s.OnCreate
	}
	// A rule by id, or "true", is for new records. "FALSE" suits both, and silence leaves it to Salesforce.
	d.createOnly = d.createOnly || cfg.AssignmentRule != "" && cfg.AssignmentRule != "FALSE"
	if err := d.prepareSteps(); err != nil {
		return nil, err
	}
	if people := cfg.Object == "Lead" || cfg.Object == "Contact"; len(d.steps) > 0 && !people {
		return nil, fmt.Errorf("%w: case, opportunity and campaign_member are of a lead or contact, not of object %s", ErrConfig, cfg.Object)
	}
	return d, nil
}

// TokenURL is the token endpoint of an organization, for all three ways to sign in.
func TokenURL(instance string) string {
	return strings.TrimRight(instance, "/") + "/services/oauth2/token"
}

// MaxBatch implements destination.Destination.
func (d *Destination) MaxBatch() int {
	if d.blind() && !d.cfg.LogCall && len(d.steps) == 0 {
		return d.cfg.MaxBatch
	}
	return 1
}

// blind says that records are upserted without looking for them first.
func (d *Destination) blind() bool {
	return d.cfg.ExternalID != "" && !d.createOnly && d.cfg.Match == MatchCall
}

// looks says that a look-up goes before the write.
func (d *Destination) looks() bool {
	return !d.blind() || d.cfg.LogCall && d.cfg.TaskExternalID == ""
}

// Deliver implements destination.Destination.
func (d *Destination) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	out := make([]destination.Result, len(items))
	d.describe(ctx)
	if len(items) > 1 && d.MaxBatch() > 1 {
		d.batch(ctx, items, out)
		return out
	}
	for i := range items {
		out[i] = d.one(ctx, &items[i])
	}
	return out
}

// one delivers one item by itself.
func (d *Destination) one(ctx context.Context, it *destination.Item) destination.Result {
	if len(d.steps) > 0 {
		return d.stepped(ctx, it)
	}
	w := d.newWrite(it)
	if !d.looks() {
		return d.person(ctx, w)
	}
	release, err := d.locks.Acquire(ctx, lockKeys(w.record))
	if err != nil {
		return destination.Result{Reason: "stopped before the call's turn came: nothing was sent, another attempt follows"}
	}
	defer release()
	return d.person(ctx, w)
}

// lockKeys are what two deliveries that might create the same record have in common.
func lockKeys(r *record) []string {
	keys := []string{"id " + r.key}
	if e := call.TrimAddress(r.item.Call.Email); e != "" {
		keys = append(keys, "email "+strings.ToLower(e))
	}
	if n := r.item.Call.CallerNumber; n != "" {
		keys = append(keys, "phone "+n)
	}
	return keys
}

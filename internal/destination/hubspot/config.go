package hubspot

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/destination/keylock"
	"github.com/callgate/callgate/internal/outbound"
)

// Defaults of Config.
const (
	DefaultBaseURL = "https://api.hubapi.com"
	// DefaultTokenURL is the token endpoint for apps that were installed by OAuth, the same for every account.
	DefaultTokenURL = DefaultBaseURL + "/oauth/v1/token"
	DefaultAPI      = "v3"
	// DefaultSearchRate is a little under the five searches a second that HubSpot grants to one token.
	DefaultSearchRate = 4
	DefaultName       = "Unknown caller"
)

// MaxInputs is how many records HubSpot takes in one batch request.
const MaxInputs = 100

// ErrConfig is wrapped by all errors of New.
var ErrConfig = errors.New("hubspot destination")

// ErrAPIKey means that the credential is one of HubSpot's former API keys.
var ErrAPIKey = errors.New("HubSpot's API keys (hapikey) were withdrawn in November 2022: create a private app under Settings > Integrations > Private Apps with the scopes crm.objects.contacts.read and crm.objects.contacts.write, and use its token (pat-…)")

// Config says which HubSpot account receives calls, and how. Exactly one of Token and Auth is needed.
type Config struct {
	// Token is the access token of a private app ("pat-na1-…"), a secret.
	Token string
	// Auth signs requests in, instead of Token: an outbound.OAuth2Refresh with HubSpot's token URL
	// (https://api.hubapi.com/oauth/v1/token), for apps installed by OAuth.
	Auth outbound.Authorizer
	// BaseURL is DefaultBaseURL when empty. Set AllowPrivate to name a host in the own network, for tests.
	BaseURL      string
	AllowPrivate bool
	// API is "v3" (the default), a dated version such as "2026-03", or "v1": contacts with an e-mail address by
	// the withdrawn contacts/v1 createOrUpdate, one by one, and everything else by v3.
	API string
	// Properties maps contact properties, by internal name, to templates; see DefaultProperties. Such a template is the
	// name of a record's field ("summary"), "params.x" or "vars.x", several of them with "|" between, of which the first
	// that has a value serves ("message|summary"), or text with {{variables}} and filters: {{timestamp|date:'%Y-%m-%d'}}
	// is in TimeZone, and {{params.service|map:'Kitchen remodel','kitchen_remodel'}} puts an option in place of words.
	Properties map[string]string
	// KeepNames leaves the first and last name of a contact that has one as it is. It costs one more request.
	KeepNames bool
	// OwnerID, Lifecycle and LeadStatus ("NEW") are written to new contacts (the owner to logged calls as well). Each
	// of them costs a request that finds out which contacts are new, the first one that is set.
	OwnerID    string
	Lifecycle  string
	LeadStatus string
	// ContactProperty and CallProperty are properties with unique values, on contacts and calls, that hold the call's
	// id. Optional, and recommended: HubSpot then refuses a duplicate whatever happens.
	ContactProperty string
	CallProperty    string
	// NoPhoneMatch stops looking for contacts by number where the caller gave an e-mail address.
	NoPhoneMatch bool
	// CreateNameless creates a contact for a caller without e-mail address and number. Without it such a call is dead.
	CreateNameless bool
	// DefaultName is the first name of a new contact of which nothing but the number is known; HubSpot wants an e-mail
	// address or a name. Empty means DefaultName.
	DefaultName string
	// LogCall logs each call as an engagement of the contact, Note writes a note to it. Transcript puts the transcript
	// into them as well, as far as it fits.
	LogCall    bool
	Note       bool
	Transcript bool
	// Company, Deal and Ticket are made of a call besides, each with the contact, and deal and ticket with the company. nil
	// means none.
	Company, Deal, Ticket *Step
	// Progress keeps what is written of a delivery that is not through yet; nil means that the next attempt writes it again,
	// which changes nothing.
	Progress chain.Store
	// Region is the region that numbers without a country are read in; empty means call.DefaultRegion.
	Region string
	// SearchRate is how many searches a second are made; 0 means DefaultSearchRate.
	SearchRate float64
	// TimeZone is the account's time zone, in which HubSpot counts the daily limit and days begin; nil when it is not
	// known, and days are those of UTC.
	TimeZone *time.Location
	// Notes keeps what was written a moment ago across restarts; nil means that it is known inside this process only.
	Notes Notes
	// Client sends the requests; nil makes one with outbound's defaults.
	Client *outbound.Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Destination is a configured HubSpot account. It is safe for concurrent use.
type Destination struct {
	conf    Config
	auth    outbound.Authorizer
	mapping []mapped
	create  []property // for new contacts only
	steps   []*step
	company *company // nil for none
	objects string   // path before the object type
	account [sha256.Size]byte
	search  *rate.Limiter
	locks   keylock.Locks
	recent  *lru.Cache[string, memo]
	refused refused
	learnt  learnt
	// plainSearch is set when the account lacks HubSpot's calculated number properties.
	plainSearch atomic.Bool
}

var _ destination.Destination = (*Destination)(nil)

var (
	apiKey = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	dated  = regexp.MustCompile(`^20\d\d-(0[1-9]|1[0-2])$`)
)

// New checks the configuration. Its errors wrap ErrConfig, say what to change, and hold no secret.
func New(c Config) (*Destination, error) {
	d := &Destination{conf: c, auth: c.Auth}
	if err := d.credentials(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if c.BaseURL == "" {
		d.conf.BaseURL = DefaultBaseURL
	}
	d.conf.BaseURL = strings.TrimRight(d.conf.BaseURL, "/")
	if strings.Contains(strings.ToLower(d.conf.BaseURL), "hapikey=") {
		return nil, fmt.Errorf("%w: base URL: %w", ErrConfig, ErrAPIKey)
	}
	if err := outbound.CheckURL(d.conf.BaseURL, c.AllowPrivate, c.AllowPrivate); err != nil {
		return nil, fmt.Errorf("%w: base URL: %w", ErrConfig, err)
	}
	if strings.ContainsAny(d.conf.BaseURL, "?#{") {
		return nil, fmt.Errorf("%w: base URL: scheme and host are enough, such as %s", ErrConfig, DefaultBaseURL)
	}
	switch {
	case c.API == "", c.API == "v3", c.API == "v1":
		d.objects = "/crm/v3/objects/"
	case dated.MatchString(c.API):
		d.objects = "/crm/objects/" + c.API + "/"
	default:
		return nil, fmt.Errorf("%w: api %q: it is v3, a dated version such as 2026-03, or v1", ErrConfig, truncate(c.API, 20))
	}
	if !call.ValidRegion(c.Region) {
		return nil, fmt.Errorf("%w: region %q: use a code such as US or DE", ErrConfig, truncate(c.Region, 20))
	}
	for _, p := range []string{c.ContactProperty, c.CallProperty} {
		if p != "" && !validProperty(p) {
			return nil, fmt.Errorf("%w: property %q: HubSpot's internal names are lower case letters, digits and _", ErrConfig, truncate(p, 80))
		}
	}
	var err error
	if d.mapping, err = d.compileAll(c.Properties); err != nil {
		return nil, err
	}
	for _, p := range []property{{"lifecyclestage", c.Lifecycle}, {"hs_lead_status", c.LeadStatus}, {"hubspot_owner_id", c.OwnerID}} {
		if p.value != "" {
			d.create = append(d.create, p)
		}
	}
	if err := d.compileSteps(); err != nil {
		return nil, err
	}
	d.defaults()
	return d, nil
}

func (d *Destination) credentials() error {
	t := d.conf.Token
	if d.auth != nil {
		if t != "" {
			return errors.New("configure a token or OAuth, not both")
		}
		return nil
	}
	switch {
	case t == "":
		return fmt.Errorf("token: %w", outbound.ErrNoSecret)
	case apiKey.MatchString(t):
		return ErrAPIKey
	case strings.HasPrefix(strings.ToLower(t), "bearer "):
		return errors.New("token: give the token alone, without the word Bearer")
	case strings.Contains(t, "YOUR_"), strings.ContainsAny(t, " \t\r\n{}"):
		return errors.New("token: this is not a token; use that of a private app (pat-…)")
	}
	var err error
	d.auth, err = outbound.Bearer(t)
	return err
}

func (d *Destination) defaults() {
	c := &d.conf
	if c.DefaultName == "" {
		c.DefaultName = DefaultName
	}
	if c.SearchRate <= 0 {
		c.SearchRate = DefaultSearchRate
	}
	if c.Client == nil {
		c.Client = outbound.NewClient(outbound.Options{AllowPrivate: c.AllowPrivate})
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	d.search = rate.NewLimiter(rate.Limit(c.SearchRate), 1)
	d.recent, _ = lru.New[string, memo](maxRecent) // it fails only for a size below one
	d.account = sha256.Sum256([]byte(c.BaseURL + "\x00" + c.Token + "\x00" + fmt.Sprintf("%p", c.Auth)))
	d.refused.until = make(map[string]time.Time)
}

// MaxBatch is MaxInputs; 1 with the v1 API, which has no batches.
func (d *Destination) MaxBatch() int {
	if d.conf.API == "v1" {
		return 1
	}
	return MaxInputs
}

// Problems lists what is unwise about the configuration, for the operator to read at start.
func (d *Destination) Problems() []string {
	var all []string
	if d.conf.API == "v1" {
		all = append(all, "api v1: HubSpot documents contacts/v1 as legacy and will switch it off; leave api out to use v3")
	}
	if d.conf.Token != "" && !strings.HasPrefix(d.conf.Token, "pat-") {
		all = append(all, "token: a private app's token begins with pat-; an OAuth access token ends after 30 minutes, configure OAuth with its refresh token instead")
	}
	if d.conf.LogCall && d.conf.CallProperty == "" {
		all = append(all, "log_call without call_property: a call is found again by HubSpot's search, which lags some seconds behind; make a call property with unique values to rule out duplicates")
	}
	switch {
	case d.conf.ContactProperty == "" && d.conf.Notes != nil:
		all = append(all, "no contact_property: a contact is found again by HubSpot's search, which lags some seconds behind; what this gateway wrote meanwhile it knows, also after a restart, but a second gateway with a store of its own makes a second contact of a caller without e-mail address; make a contact property with unique values and set it")
	case d.conf.ContactProperty == "":
		all = append(all, "no contact_property: a contact is found again by HubSpot's search, which lags some seconds behind, so that a restart at the wrong moment, or a second gateway, makes a second contact of a caller without e-mail address; make a contact property with unique values and set it")
	}
	for _, s := range d.steps {
		if s.conf.Unique == "" {
			all = append(all, s.kind.what+" without unique: a "+s.kind.what+" is found again by HubSpot's search for the reference in its text, which lags some seconds behind; make a "+s.kind.what+" property with unique values and name it")
		}
	}
	if d.conf.CreateNameless && d.conf.ContactProperty == "" {
		all = append(all, "create_nameless without contact_property: a caller without e-mail address and number cannot be found again, so that a repeated delivery makes a second contact; make a contact property with unique values")
	}
	return all
}

// refused remembers properties that HubSpot does not have or does not let us write, by object type and name, so that not
// every delivery has to find out again. It forgets after an hour, as the operator may have made the property meanwhile.
type refused struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const refusedFor = time.Hour

func (r *refused) add(key string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until[key] = now.Add(refusedFor)
}

func (r *refused) has(key string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.until[key]
	return ok && now.Before(t)
}

func (r *refused) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.until) == 0
}

// warned holds the properties that this process has warned about, by account: a configuration that is reloaded every
// minute should not repeat itself every minute.
var warned sync.Map // of warning

type warning struct {
	account  [sha256.Size]byte
	property string
}

// firstWarning reports whether this is the first time that the process warns about the property of this account.
func (d *Destination) firstWarning(property string) bool {
	_, before := warned.LoadOrStore(warning{d.account, property}, true)
	return !before
}

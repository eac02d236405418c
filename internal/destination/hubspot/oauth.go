package hubspot

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/callgate/callgate/internal/outbound"
)

// DefaultTokenURL is HubSpot's token endpoint for every account.
const DefaultTokenURL = DefaultBaseURL + "/oauth/v1/token"

// OAuth makes the Auth of a Config for an app that was installed by OAuth, from the app's client id and secret and the
// refresh token that installing it gave. HubSpot's refresh tokens do not rotate, but save is called if one does; it may
// be nil. cfg.TokenURL may be empty.
func OAuth(cfg outbound.OAuth2Config, refreshToken string, save func(ctx context.Context, refreshToken string) error) (outbound.Authorizer, error) {
	if cfg.TokenURL == "" {
		cfg.TokenURL = DefaultTokenURL
	}
	cfg.AuthStyle = oauth2.AuthStyleInParams // HubSpot takes the secret in the form only
	o, err := outbound.OAuth2Refresh(cfg, refreshToken, save)
	if err != nil {
		return nil, err
	}
	return o, nil
}

package operate

import "github.com/callgate/callgate/internal/seal"

// SealToken seals, with the keys of a service, what is to be read only by whom it is bound to, by any gateway that has the same
// keys; nil without keys.
func SealToken(s *Service, boundTo string, data []byte) []byte {
	if s.o.Keys == nil {
		return nil
	}
	return s.o.Keys.Seal(data, tokenPlace(boundTo))
}

// OpenToken opens it; nil if it is none, or somebody else's.
func OpenToken(s *Service, boundTo string, token []byte) []byte {
	if s.o.Keys == nil {
		return nil
	}
	data, err := s.o.Keys.Open(token, tokenPlace(boundTo))
	if err != nil {
		return nil
	}
	return data
}

func tokenPlace(boundTo string) seal.Place { return seal.Place{Column: "page token", Event: boundTo} }

package gateway

// Witness is told what an operator wants to know of requests besides how many there were: whose requests are refused, whose
// are copies, and who is understood again. It is told of each request, so it must not wait for anything.
type Witness interface {
	// Refused tells that a request was refused.
	Refused(Refused)
	// Copied tells that a request was answered as a copy of an event, whose id as the sender has it is eventID. Copies that
	// only the store knows are told elsewhere.
	Copied(route, tenant, eventID string)
	// Verified tells that a request was found to be authentic.
	Verified(source, route, tenant string)
}

// Refused is a request that was refused. Its names are those of the configuration.
type Refused struct {
	Source, Route string
	// Tenant is whose request it claims to be; empty where there is no such tenant.
	Tenant string
	// Code is that of the answer.
	Code string
	// Verified tells that it is authentic: it was refused although the right one sent it.
	Verified bool
}

// tell tells the route's witness what became of a request.
func (rq *Request) tell(refused *refusal) {
	rt := rq.route
	if rt.Witness == nil {
		return
	}
	tenant := ""
	if rq.plan != nil && rq.plan != rt.Nobody {
		if rq.plan.Test {
			return
		}
		tenant = rq.plan.Tenant
	}
	if rq.verified {
		rt.Witness.Verified(rt.Source, rt.Name, tenant)
	}
	switch {
	case refused != nil:
		rt.Witness.Refused(Refused{Source: rt.Source, Route: rt.Name, Tenant: tenant, Code: refused.outcome.String(), Verified: rq.verified})
	case rq.outcome != replayed || rq.reservation != nil: // which the store knows
	case len(rq.events) == 0:
		rt.Witness.Copied(rt.Name, tenant, rq.eventID)
	default:
		for _, one := range rq.events {
			rt.Witness.Copied(rt.Name, tenant, one.eventID)
		}
	}
}

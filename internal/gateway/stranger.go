package gateway

import "net/netip"

// strangerKey names the client for the limit on refused requests, which all routes share; "" is a client without one.
func (rq *Request) strangerKey() string {
	if rq.route.StrangerLimit == nil || rq.route.State.Strangers == nil {
		return ""
	}
	a := network(rq.route.Server.ClientIP(rq.r))
	if !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || carrierNAT.Contains(a) {
		return ""
	}
	return a.String()
}

// carrierNAT is the shared address space of RFC 6598, behind which stand many.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// checkStranger refuses the request of a client that was refused too often. As long as nobody was, it costs nothing.
func (rq *Request) checkStranger() *refusal {
	rt := rq.route
	if rt.StrangerLimit == nil || rt.State.Strangers == nil || rt.State.Strangers.Len() == 0 {
		return nil
	}
	key := rq.strangerKey()
	if key == "" {
		return nil
	}
	if ok, wait := rt.State.Strangers.Ready(key, *rt.StrangerLimit); !ok {
		return rt.addressRefusal(wait)
	}
	return nil
}

// chargeStranger counts a request that was refused before its sender was known, unless that was the gateway's own doing.
func (rq *Request) chargeStranger(o Outcome) {
	if o == addressLimited || o == overloaded {
		return
	}
	if key := rq.strangerKey(); key != "" {
		rq.route.State.Strangers.Allow(key, *rq.route.StrangerLimit)
	}
}

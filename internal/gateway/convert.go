package gateway

import (
	"io"
	"net/http"
	"strconv"
)

// convert makes the request that goes on the destination's: method, URI, headers and body. Where it goes is up to the
// next handler.
func (rq *Request) convert() error {
	c, err := rq.record()
	if err != nil {
		return err
	}
	item := rq.item(c)
	item.DeliveryID = rq.eventID
	out, err := rq.route.Convert(rq.r.Context(), item)
	if err != nil {
		return err
	}
	var body []byte
	if out.Body != nil {
		if body, err = io.ReadAll(out.Body); err != nil {
			return err
		}
	}
	r := rq.r
	r.Method = out.Method
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = out.URL.Path, out.URL.RawPath, out.URL.RawQuery
	r.RequestURI = r.URL.RequestURI()
	r.Host = out.URL.Host
	for name := range r.Header {
		delete(r.Header, name)
	}
	for name, values := range out.Header {
		r.Header[name] = values
	}
	if len(body) == 0 && out.Body == nil {
		rq.going = nil
		r.Body, r.ContentLength, r.GetBody = http.NoBody, 0, nil
		return nil
	}
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	rq.setBody(body)
	return nil
}

package outbound

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestCheckURL(t *testing.T) {
	const yes, no = true, false
	for _, c := range []struct {
		url           string
		plain, privat bool
		want          error
	}{
		{"https://api.example.com/v1/leads?x=1", no, no, nil},
		{"https://api.example.com/{{email}}?q={{a b}}", no, no, nil},
		{"HTTPS://API.example.com", no, no, nil},
		{"https://[2606:4700::1111]:8443/x", no, no, nil},
		{"http://api.example.com", no, yes, ErrPlainHTTP},
		{"http://api.example.com", yes, no, nil},
		{"http://localhost:3000/x", no, yes, nil},
		{"http://127.0.0.1", no, yes, nil},
		{"http://[::1]:80/", no, yes, nil},
		{"http://192.168.1.20/dispatch", no, yes, nil},
		{"http://app.localhost/", no, yes, nil},
		{"https://localhost", yes, no, ErrPrivateHost},
		{"https://10.0.0.1", yes, no, ErrPrivateHost},
		{"https://[::ffff:10.0.0.1]", yes, no, ErrPrivateHost},
		{"https://169.254.169.254/latest/meta-data", yes, yes, ErrAddressRefused},
		{"https://[fe80::1]/", yes, yes, ErrAddressRefused},
		{"https://0.0.0.0/", yes, yes, ErrAddressRefused},
		{"https://user:secret@api.example.com", yes, yes, ErrUserinfo},
		{"https://{{host}}/x", yes, yes, ErrVariableHost},
		{"https://{{a/b}}.example/x", yes, yes, ErrVariableHost},
		{"https://api.example.com:{{port}}/", yes, yes, ErrVariableHost},
		{"{{scheme}}://api.example.com", yes, yes, ErrVariableHost},
		{"https://a{{x}}@b.example/", yes, yes, ErrVariableHost},
		{"ftp://api.example.com", yes, yes, ErrBadURL},
		{"file:///etc/passwd", yes, yes, ErrBadURL},
		{"https:///x", yes, yes, ErrBadURL},
		{"https://:443/x", yes, yes, ErrBadURL},
		{"https://a.example:0/x", yes, yes, ErrBadURL},
		{"https://a.example:99999/x", yes, yes, ErrBadURL},
		{"https://a.example:x/", yes, yes, ErrBadURL},
		{"https://a.ex%61mple/", yes, yes, ErrBadURL},
		{"https://good.example\\@bad.example/", yes, yes, ErrBadURL},
		{"https://a.example/x y", yes, yes, ErrBadURL},
		{"https://a.example\r\nX: y/", yes, yes, ErrBadURL},
		{"api.example.com/x", yes, yes, ErrBadURL},
		{"", yes, yes, ErrBadURL},
	} {
		if got := CheckURL(c.url, c.plain, c.privat); !errors.Is(got, c.want) {
			t.Errorf("CheckURL(%q, %v, %v) = %v, want %v", c.url, c.plain, c.privat, got, c.want)
		} else if got != nil && strings.Contains(got.Error(), "secret@") {
			t.Errorf("the error quotes the URL: %v", got)
		}
	}
}

func TestGuardJudgesAddresses(t *testing.T) {
	for addr, want := range map[string][2]bool{ // without, with AllowPrivate
		"8.8.8.8":            {true, true},
		"2606:4700::1111":    {true, true},
		"64:ff9b::808:808":   {true, true},
		"127.0.0.1":          {false, true},
		"::1":                {false, true},
		"::ffff:127.0.0.1":   {false, true},
		"10.1.2.3":           {false, true},
		"172.16.0.1":         {false, true},
		"192.168.0.1":        {false, true},
		"100.64.0.1":         {false, true},
		"fd12::1":            {false, true},
		"64:ff9b::a00:1":     {false, true},
		"2002:7f00:1::":      {false, true},
		"169.254.169.254":    {false, false},
		"::ffff:169.254.1.1": {false, false},
		"64:ff9b::a9fe:a9fe": {false, false},
		"fe80::1%eth0":       {false, false},
		"fd00:ec2::254":      {false, false},
		"100.100.100.200":    {false, false},
		"0.0.0.0":            {false, false},
		"0.1.2.3":            {false, false},
		"::":                 {false, false},
		"224.0.0.1":          {false, false},
		"255.255.255.255":    {false, false},
		"ff02::1":            {false, false},
		"64:ff9b:1::7f00:1":  {false, false},
		"198.18.0.1":         {false, false},
	} {
		a := netip.MustParseAddr(addr)
		if got := [2]bool{reachable(a, false), reachable(a, true)}; got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	if reachable(netip.Addr{}, true) {
		t.Error("no address was let through")
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"https://a.example/{{x}}", "https://u:p@h/", "http://[::1]:8080", "https://h\\@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckURL(raw, false, false) != nil {
			return
		}
		// What passed must lead net/http to a public host by https, with nobody's name in it.
		filled := strings.NewReplacer("{{", "", "}}", "").Replace(raw)
		req, err := NewRequest(t.Context(), "POST", filled, nil)
		if err != nil {
			return
		}
		if req.URL.User != nil || req.URL.Scheme != "https" || req.URL.Hostname() == "" || localHost(req.URL.Hostname()) {
			t.Fatalf("%q passed", raw)
		}
	})
}

func TestInClear(t *testing.T) {
	for address, want := range map[string]bool{
		"https://crm.example/x": false, "HTTPS://crm.example": false, "http://crm.example/x": true, "HTTP://crm.example": true,
		"http://10.0.0.5:8080/": true, "http://[fd00::1]/": true, "http://127.0.0.1:8080/{{phone}}": false, "http://[::1]/": false,
		"http://[::ffff:127.0.0.1]/": false, "http://localhost:3000": false, "http://LOCALHOST./x": false, "http://a.localhost": false,
		"http://localhost.example/": true, "http://crm.example?to=://127.0.0.1": true, "crm.example": true, "http://%zz/": true, "": true,
	} {
		if got := InClear(address); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}

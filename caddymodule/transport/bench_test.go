package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkReverseProxy sends POSTs over 64 connections through Caddy's reverse_proxy to a server on loopback. Client
// and server run in the same process and are counted too, and the transports do not take turns, so compare on a quiet
// machine; bench/compare measures with processes of their own, in turns.
func BenchmarkReverseProxy(b *testing.B) {
	up := listen(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	for _, size := range []int{2 << 10, 200 << 10} {
		for _, tc := range []struct{ name, transport, options string }{
			{"http", "http", ""},
			{"http with 256 idle", "http", "keepalive_idle_conns_per_host 256\ncompression off"},
			{"callgate", "callgate", ""},
		} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, tc.name), func(b *testing.B) {
				address := start(b, proxy(tc.transport, up, tc.options, ""))
				message := fmt.Sprintf("POST /hooks HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nContent-Type: application/json\r\n"+
					"X-Webhook-Signature: 0123456789abcdef\r\nContent-Length: %d\r\n\r\n%s", address, size, strings.Repeat("x", size))
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						c, err := net.Dial("tcp", address)
						if err != nil {
							b.Error(err)
							return
						}
						defer c.Close()
						br := bufio.NewReader(c)
						for left.Add(-1) >= 0 {
							if _, err := io.WriteString(c, message); err != nil {
								b.Error(err)
								return
							}
							res, err := http.ReadResponse(br, nil)
							if err != nil {
								b.Error(err)
								return
							}
							_, _ = io.Copy(io.Discard, res.Body)
							if res.StatusCode != 200 {
								b.Error(res.Status)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
			})
		}
	}
}

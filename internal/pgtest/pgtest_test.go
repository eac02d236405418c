package pgtest

import (
	"fmt"
	"strings"
	"testing"
)

// TestAPrimaryAndItsStandby kills a primary, promotes its standby and starts the primary again.
func TestAPrimaryAndItsStandby(t *testing.T) {
	a := Start(t)
	b := a.Pair()
	a.SQL("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
	if got := b.SQL("SELECT pg_is_in_recovery()"); got != "t" {
		t.Errorf("the standby is in recovery: %s", got)
	}
	b.Freeze()
	b.Thaw()
	a.Kill()
	if _, err := a.query("SELECT 1"); err == nil {
		t.Error("a killed server answers")
	}
	b.Promote()
	if got := b.SQL("INSERT INTO t VALUES (2); SELECT count(*) FROM t"); got != "2" {
		t.Errorf("the new primary has %s rows", got)
	}
	a.Run()
	if got := a.SQL("SELECT count(*) FROM t"); got != "1" {
		t.Errorf("the old one has %s rows", got)
	}
	if !strings.Contains(Several(a, b), fmt.Sprintf("port=%d,%d", a.Port, b.Port)) {
		t.Error(Several(a, b))
	}
	a.Stop()
}

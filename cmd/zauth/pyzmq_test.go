//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
)

// TestPyzmq: services in pyzmq ask zauth, with a policy, about each mechanism, and see
// which clients are admitted.
func TestPyzmq(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs pyzmq")
	}
	python := ztest.Python(t)
	s := scenario.New(t)
	file := filepath.Join(s.Dir, "policy.zpl")
	ztest.Must(t, os.WriteFile(file, fmt.Appendf(nil, `security
    domain = lan
    allow = 127.0.0.1
    anonymous = 1
security
    domain = closed
    deny = 127.0.0.0/8
    anonymous = 1
security
    domain = passwords
    plain = 1
        account
            login = guest
            password = hunter2
            group = guests
security
    domain = known
    curve = 1
        keystore = dir:clients
security
    domain = groups
    curve = 1
        keystore = dir:clients
        group = traders
security
    domain = signed
    curve = 1
        keystore = dir:clients
        authority = "%s"
`, s.Authority.Key), 0o600))
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--policy", file)
	cmd := exec.CommandContext(t.Context(), python, "testdata/peers/services.py", z.endpoint, s.Dir)
	stdin, err := cmd.StdinPipe() // the service ends with this pipe
	ztest.Must(t, err)
	defer stdin.Close()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &stderr)
	}
	const want = `lan anybody user= desk=-
closed anybody refused 400
passwords right user=guest desk=-
passwords wrong refused 400
passwords unknown refused 400
known trader user=trader desk=7
known guest user=guest desk=-
known signed user=signed desk=-
known expired refused 400
known revoked refused 400
known stranger refused 400
groups trader user=trader desk=7
groups guest refused 400
groups signed refused 400
groups expired refused 400
groups revoked refused 400
groups stranger refused 400
signed trader refused 400
signed guest refused 400
signed signed user=signed desk=-
signed expired refused 400
signed revoked refused 400
signed stranger refused 400
`
	if diff := cmp.Diff(want, string(out)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

//go:build unix

package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestPublisher revokes the key of one of many subscribers: its connection ends, it learns
// why, and it receives nothing more. The others receive every message.
func TestPublisher(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gen(t, dir, "news", "alice", "bob", "carol", "dave")
	subscribers := filepath.Join(dir, "subscribers")
	ztest.Must(t, os.Mkdir(subscribers, 0o755))
	for _, name := range []string{"alice", "bob", "carol"} {
		ztest.Must(t, os.Link(filepath.Join(dir, name+".key"), filepath.Join(subscribers, name+".key")))
	}
	publisher := run(t, ztest.GoProgram(t, "examples/go/publisher", "CGO_ENABLED=0"),
		"tcp://127.0.0.1:*", filepath.Join(dir, "news.key_secret"), subscribers)
	endpoint := publisher.await(t, "publishing at ")
	subscribe := func(name string, program ...string) *running {
		return run(t, append(program, endpoint, filepath.Join(dir, name+".key_secret"), filepath.Join(dir, "news.key"), "tick")...)
	}
	inGo := ztest.GoProgram(t, "examples/go/subscriber", "CGO_ENABLED=0")
	alice, bob, dave := subscribe("alice", inGo), subscribe("bob", inGo), subscribe("dave", inGo)
	others := []*running{bob}
	if ztest.Peers() {
		others = append(others, subscribe("carol", ztest.Python(t), "python/subscriber.py"))
	}
	alice.await(t, "tick ")
	firsts := make([]string, len(others))
	for i, other := range others {
		firsts[i] = other.await(t, "tick ")
	}
	dave.await(t, endpoint+": refused by server: 400")

	if out, err := output(t, tool(t, "zcert"), "store", "revoke", "dir:"+subscribers, filepath.Join(dir, "alice.key")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	alice.await(t, endpoint+": refused by server: 400")
	publisher.await(t, endpoint+`: "alice": client refused: 400 key revoked`)
	last := 0
	for line := range strings.Lines(bob.log.String()) {
		fmt.Sscanf(line, "tick %d\n", &last)
	}
	last += 5
	for i, other := range others {
		other.await(t, fmt.Sprint("tick ", last))
		first := 0
		fmt.Sscan(firsts[i], &first)
		ticks := ""
		for n := first; n <= last; n++ {
			ticks += fmt.Sprintf("tick %d\n", n)
		}
		if !strings.Contains(other.log.String(), ticks) {
			t.Errorf("%q lacks some of the messages %d to %d", other.words, first, last)
		}
	}
	if _, after, _ := strings.Cut(alice.log.String(), "refused by server"); strings.Contains(after, "tick") {
		t.Errorf("alice received a message after her key was revoked")
	}
	if strings.Contains(dave.log.String(), "tick") {
		t.Error("dave, who is not in the keystore, received a message")
	}
}

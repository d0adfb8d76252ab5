package policy_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
)

// asModelWriter in the environment makes the test binary write to a store until it is
// killed. Its value is the URL; standard input has the names, keys and times of two
// identities, the second of which is to be revoked.
const asModelWriter = "POLICY_TEST_WRITER"

// writeAsModel puts two identities repeatedly, and then revokes one.
func writeAsModel(url string) error {
	store, err := keystore.Open(url, nil)
	if err != nil {
		return err
	}
	var names, keys [2]string
	var at int64
	if _, err := fmt.Scan(&names[0], &keys[0], &names[1], &keys[1], &at); err != nil {
		return err
	}
	go ztest.EndWithStdin()
	for round := 0; ; round++ {
		for i := range names {
			data, err := hex.DecodeString(keys[i])
			if err != nil {
				return err
			}
			key := curve.PublicKey(data)
			e := &keystore.Identity{Name: names[i], Groups: [][]string{nil, {"traders"}, {"guests/night"}}[round%3],
				Certificate: &cert.Certificate{Public: key, Metadata: cert.Metadata{{Name: "round", Value: fmt.Sprint(round)}}}}
			if err := store.Put(e); err != nil && !errors.Is(err, keystore.ErrRevoked) && !strings.Contains(err.Error(), "invalid name") {
				return err
			}
			fmt.Println("put")
			if i == 1 && round == 2 {
				if err := store.Revoke(key, time.Unix(at, 0), "by a writer"); err != nil {
					return err
				}
				fmt.Println("revoked")
			}
		}
	}
}

// kill starts a process that writes to a store, and kills it at a random moment. Each
// step that the process has reported is done. Its last step may or may not be done.
func (w *world) kill() {
	s := w.site()
	if w.rand.IntN(2) == 0 {
		return // this is slow
	}
	one, two := w.rand.IntN(w.asking), w.rand.IntN(w.asking-1)
	if two >= one {
		two++
	}
	exe, err := os.Executable()
	w.must(err)
	cmd := exec.CommandContext(w.t.Context(), exe)
	cmd.Env = append(os.Environ(), asModelWriter+"="+s.kind+":"+s.path)
	in, err := cmd.StdinPipe()
	w.must(err)
	out, err := cmd.StdoutPipe()
	w.must(err)
	if !w.watched {
		forking.RUnlock()
	}
	forking.Lock()
	err = cmd.Start()
	forking.Unlock()
	if !w.watched {
		forking.RLock()
	}
	w.must(err)
	a, b := w.clients[one], w.clients[two]
	fmt.Fprintf(in, "%s %x %s %x %d\n", a.name, a.key[:], b.name, b.key[:], w.time().Unix())
	lines := bufio.NewReader(out)
	said := ""
	for range w.rand.IntN(10) {
		line, err := lines.ReadString('\n')
		if err != nil {
			w.fail("the writer has ended after %q", said)
		}
		said += line
	}
	w.must(cmd.Process.Kill())
	rest, _ := io.ReadAll(lines)
	cmd.Wait()
	said += string(rest)
	w.note("kill the writer of %s and revoker of %s in %s, after %q", a.name, b.name, s.url, said)
	w.adopt(s, one, two, strings.Contains(said, "revoked\n"))
}

// adopt finds out which changes to two identities a killed writer has made.
func (w *world) adopt(s *site, one, two int, reported bool) {
	store, err := keystore.Open(s.kind+":"+s.path, nil)
	w.must(err)
	defer store.Close()
	for _, i := range []int{one, two} {
		key := w.clients[i].key
		_, revoked := store.Revocation(key)
		if i == two && reported && !revoked {
			w.fail("%s was revoked, and no longer is", w.clients[i].name)
		}
		recorded := s.records[i] > 0
		if s.kind == "dir" {
			// Where a file revokes the key as well, the store tells the file's reason.
			record, _ := os.ReadFile(s.record(i))
			text := string(record)
			if strings.Contains(text, "by a writer") && !strings.Contains(text, "lifted = ") && !recorded {
				s.records[i] = w.now
			}
			continue
		}
		if revoked && !recorded {
			s.records[i] = w.now
			s.bury(i)
			for k, r := range store.Revocations() {
				if k == key && r.Certificate != "" {
					s.graves[i] = entry{r.Name, r.Groups, r.Certificate}
				}
			}
		}
		delete(s.ids, i)
		if id, ok := store.Lookup(key); ok {
			text, err := id.Certificate.AppendPublic(nil)
			w.must(err)
			s.ids[i] = entry{id.Name, id.Groups, string(text)}
		}
	}
}

// admitted reports whether the policy admits a client.
func (w *world) admitted(domain string, i int) bool {
	key := w.clients[i].key
	return w.p.Handle(w.t.Context(), ask(domain, "192.0.2.1", zap.Curve, string(key[:]))).Status == zap.StatusOK
}

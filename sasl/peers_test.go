package sasl

import (
	"bufio"
	"encoding/base64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gosasl "github.com/emersion/go-sasl"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// A peer is a program of another implementation: gsasl of GNU SASL, or a sample program
// of Cyrus SASL.
type peer struct {
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Scanner
	prefix string // of its lines that carry data, of Cyrus's programs
	ours   string // of ours
}

// startPeer starts a program without a terminal, where it reads passwords from standard
// input, and with a buffer for each line.
func startPeer(t *testing.T, prefix, ours, input string, env []string, command ...string) *peer {
	t.Helper()
	ztest.NeedPeers(t)
	cmd := exec.CommandContext(ztest.Context(t), "setsid", append([]string{"stdbuf", "-oL"}, command...)...)
	cmd.Env = append(os.Environ(), env...)
	in, err := cmd.StdinPipe()
	ztest.Must(t, err)
	out, err := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout // where gsasl says what its lines are
	ztest.Must(t, err, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	_, err = io.WriteString(in, input)
	ztest.Must(t, err)
	return &peer{t, in, bufio.NewScanner(out), prefix, ours}
}

// next returns what the peer sends next. The peer has accepted the exchange if ok is true
// and data is nil, and has given up if ok is false.
func (p *peer) next() (data []byte, ok bool) {
	p.t.Helper()
	for p.out.Scan() {
		line := p.out.Text()
		switch {
		case line == "Negotiation complete", strings.Contains(line, "authentication finished"):
			return nil, true
		case p.prefix == "" && strings.HasSuffix(line, "Output from client:"), line == "Output from server:":
			p.out.Scan()
			line = p.out.Text()
		case p.prefix != "" && strings.HasPrefix(line, p.prefix):
			line = strings.TrimPrefix(line, p.prefix)
		default:
			continue
		}
		data, err := base64.StdEncoding.AppendDecode([]byte{}, []byte(line))
		ztest.Must(p.t, err)
		return data, true
	}
	return nil, false
}

func (p *peer) send(data []byte) {
	p.t.Helper()
	// If the peer has given up, next reports it.
	io.WriteString(p.in, p.ours+base64.StdEncoding.EncodeToString(data)+"\n")
}

// serve runs our end of an exchange with a client. It returns whether the client accepted it.
func (p *peer) serve(server gosasl.Server, initial []byte) (accepted bool, err error) {
	p.t.Helper()
	for response := initial; ; {
		challenge, done, err := server.Next(response)
		if err != nil {
			return false, err
		}
		if done {
			break
		}
		p.send(challenge)
		var ok bool
		if response, ok = p.next(); !ok {
			return false, nil
		}
	}
	if p.prefix == "" {
		p.send(nil) // GNU SASL's program reads a line after each of its own
	}
	data, ok := p.next()
	return ok && data == nil, nil
}

// ask runs our end of an exchange with a server, after the first response. It returns
// whether the server accepted it.
func (p *peer) ask(client gosasl.Client) (accepted bool, err error) {
	p.t.Helper()
	for {
		challenge, ok := p.next()
		if !ok || challenge == nil {
			return ok, nil
		}
		if _, simple := client.(*scramClient); !simple && len(challenge) == 0 {
			p.send(nil) // GNU SASL's program reads a line after each of its own
			continue
		}
		response, err := client.Next(challenge)
		if err != nil {
			return false, err
		}
		p.send(response)
	}
}

// gsaslClient starts a client, and returns its first response.
func gsaslClient(t *testing.T, mechanism, password string) (p *peer, initial []byte) {
	lines := ""
	if mechanism == ScramSHA256 {
		lines = "\n\n" // it asks for two channel bindings of TLS
	}
	p = startPeer(t, "", "", lines, nil, "gsasl", "--client", "-m", mechanism, "-a", "alice", "-z", "alice", "-n", "alice", "-p", password)
	initial, _ = p.next()
	return p, initial
}

func cyrusClient(t *testing.T, mechanism, password string) (p *peer, initial []byte) {
	list := "S: " + base64.StdEncoding.EncodeToString([]byte(mechanism)) + "\n"
	p = startPeer(t, "C: ", "S: ", list+password+"\n", nil, "sasl-sample-client", "-s", "sample", "-n", "example.org", "-m", mechanism, "-a", "alice", "-u", "alice")
	first, _ := p.next()
	name, response, _ := strings.Cut(string(first), "\x00")
	if name != mechanism {
		t.Fatalf("the client chose %q", name)
	}
	return p, []byte(response)
}

// gsaslServer starts a server which has received our first response.
func gsaslServer(t *testing.T, mechanism, password string, initial []byte) *peer {
	p := startPeer(t, "", "", "", nil, "gsasl", "--server", "-m", mechanism, "-p", password, "--iteration-count", "4096")
	if data, _ := p.next(); len(data) > 0 {
		t.Fatalf("the server began with %q", data)
	}
	p.send(initial)
	return p
}

func cyrusServer(t *testing.T, mechanism, password string, initial []byte) *peer {
	ztest.NeedPeers(t)
	dir := t.TempDir()
	accounts := filepath.Join(dir, "accounts")
	ztest.WriteFile(t, filepath.Join(dir, "sample.conf"),
		"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+accounts+"\nmech_list: "+mechanism+"\n")
	cmd := exec.CommandContext(ztest.Context(t), "saslpasswd2", "-p", "-c", "-f", accounts, "-u", "example.org", "alice")
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
	cmd.Stdin = strings.NewReader(password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := startPeer(t, "S: ", "C: ", "", []string{"SASL_CONF_PATH=" + dir}, "sasl-sample-server", "-s", "sample", "-d", "example.org", "-u", "example.org")
	if data, _ := p.next(); string(data) != mechanism {
		t.Fatalf("the server offers %q", data)
	}
	p.send(append([]byte(mechanism+"\x00"), initial...))
	return p
}

// passwords are those that each peer tries: Cyrus SASL does not apply SASLprep, and
// therefore agrees with others only on passwords that SASLprep does not change.
var passwords = []struct {
	name, text, same string // same is equal after SASLprep
	cyrus            bool
}{
	{"ASCII", "pencil", "pencil", true},
	{"UTF-8", "pässwörd=,", "pässwörd=,", true},
	{"SASLprep", "\u2168a\u0308\u00ad", "IX\u00e4", false},
}

// TestPeersScram has other implementations on the other end, which also know nothing of
// the attribute h.
func TestPeersScram(t *testing.T) {
	t.Parallel()
	for _, tt := range passwords {
		for _, given := range []string{tt.text, "wrong"} {
			right := given == tt.text
			name := tt.name + map[bool]string{true: " right", false: " wrong"}[right]
			stored, _ := prepare(tt.same)
			v, err := derive(stored, []byte("12345678"), minIterations)
			ztest.Must(t, err)

			clients := map[string]func(*testing.T, string, string) (*peer, []byte){"gsasl": gsaslClient, "cyrus": cyrusClient}
			servers := map[string]func(*testing.T, string, string, []byte) *peer{"gsasl": gsaslServer, "cyrus": cyrusServer}
			for program, start := range clients {
				if program == "cyrus" && !tt.cyrus {
					continue
				}
				t.Run(program+" client "+name, func(t *testing.T) {
					t.Parallel()
					p, initial := start(t, ScramSHA256, given)
					var login string
					server := &scramServer{offered: []string{Plain, ScramSHA256Plus, ScramSHA256},
						verifier: func(string) (Verifier, error) { return v, nil },
						ask: func(name string, key []byte) error {
							login = name
							if v.Matches(key) {
								return nil
							}
							return errRefused
						}}
					accepted, err := p.serve(server, initial)
					if accepted != right || err != map[bool]error{true: nil, false: errRefused}[right] || login != "alice" {
						t.Errorf("accepted %t, %v, login %q", accepted, err, login)
					}
				})
			}
			for program, start := range servers {
				if program == "cyrus" && !tt.cyrus {
					continue
				}
				t.Run(program+" server "+name, func(t *testing.T) {
					t.Parallel()
					client := &scramClient{username: "alice", password: zap.NewPassword(given), offered: []string{ScramSHA256, Plain}}
					_, initial, err := client.Start()
					ztest.Must(t, err)
					p := start(t, ScramSHA256, tt.same, initial)
					accepted, err := p.ask(client)
					if accepted != right || client.verified() != right || err != nil {
						t.Errorf("accepted %t, verified %t, %v", accepted, client.verified(), err)
					}
				})
			}
		}
	}
}

// TestPeersSimple has other implementations on the other end of PLAIN and ANONYMOUS. The
// server of GNU SASL's program has no answer to ANONYMOUS.
func TestPeersSimple(t *testing.T) {
	t.Parallel()
	for _, given := range []string{"pässwörd", "wrong"} {
		right := given == "pässwörd"
		for program, start := range map[string]func(*testing.T, string, string) (*peer, []byte){"gsasl": gsaslClient, "cyrus": cyrusClient} {
			t.Run(program+" PLAIN client "+given, func(t *testing.T) {
				t.Parallel()
				p, initial := start(t, Plain, given)
				accepted, err := p.serve(gosasl.NewPlainServer(func(identity, name, password string) error {
					if identity == "alice" && name == "alice" && password == "pässwörd" {
						return nil
					}
					return errRefused
				}), initial)
				if accepted != right || err != map[bool]error{true: nil, false: errRefused}[right] {
					t.Errorf("accepted %t, %v", accepted, err)
				}
			})
		}
		for program, start := range map[string]func(*testing.T, string, string, []byte) *peer{"gsasl": gsaslServer, "cyrus": cyrusServer} {
			t.Run(program+" PLAIN server "+given, func(t *testing.T) {
				t.Parallel()
				client := gosasl.NewPlainClient("", "alice", given)
				_, initial, err := client.Start()
				ztest.Must(t, err)
				accepted, err := start(t, Plain, "pässwörd", initial).ask(client)
				if accepted != right || err != nil {
					t.Errorf("accepted %t, %v", accepted, err)
				}
			})
		}
	}
	for program, start := range map[string]func(*testing.T, string, string) (*peer, []byte){"gsasl": gsaslClient, "cyrus": cyrusClient} {
		t.Run(program+" ANONYMOUS client", func(t *testing.T) {
			t.Parallel()
			p, initial := start(t, Anonymous, "")
			var trace string
			accepted, err := p.serve(gosasl.NewAnonymousServer(func(text string) error { trace = text; return nil }), initial)
			if !accepted || err != nil || trace == "" {
				t.Errorf("accepted %t, %v, trace %q", accepted, err, trace)
			}
		})
	}
	t.Run("cyrus ANONYMOUS server", func(t *testing.T) {
		t.Parallel()
		client := gosasl.NewAnonymousClient("alice")
		_, initial, err := client.Start()
		ztest.Must(t, err)
		accepted, err := cyrusServer(t, Anonymous, "unused", initial).ask(client)
		if !accepted || err != nil {
			t.Errorf("accepted %t, %v", accepted, err)
		}
	})
}

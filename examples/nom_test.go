//go:build unix

package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// nomPrograms returns the program of examples/nom for each library.
func nomPrograms(t *testing.T) map[string]string {
	t.Helper()
	ztest.NeedPeers(t)
	return map[string]string{
		"zmtp":   ztest.GoProgram(t, "examples/nom/zmtp", "CGO_ENABLED=0"),
		"libzmq": ztest.GoProgram(t, "examples/nom/libzmq", "CGO_ENABLED=1"),
	}
}

// nomStep is a step from weak to strong, with the files of both sides.
type nomStep struct {
	name      string
	policy    string // the domain nom
	server    string // flags
	client    string // flags
	mechanism string
}

// nomSteps are the steps, one for each SASL mechanism.
var nomSteps = []nomStep{
	{
		name:      "anonymous",
		policy:    "    anonymous = 1\n",
		mechanism: "ANONYMOUS",
	}, {
		name:      "plain",
		policy:    "    sasl = PLAIN\n" + nomAccount,
		client:    "-user alice -password-file password -insecure-plain",
		mechanism: "PLAIN",
	}, {
		name:      "scram",
		policy:    nomAccount,
		client:    "-user alice -password-file password",
		mechanism: "SCRAM-SHA-256",
	}, {
		name:      "curve",
		policy:    nomKeys,
		server:    "-cert service.key_secret",
		client:    "-cert alice.key_secret -server-cert service.key",
		mechanism: "CURVE",
	}, {
		name:      "external",
		policy:    nomKeys,
		server:    "-cert service.key_secret -curve link",
		client:    "-cert alice.key_secret -server-cert service.key -curve",
		mechanism: "EXTERNAL",
	}, {
		name:      "key and password",
		policy:    nomKeys + "        password-for = *\n" + nomAccount,
		server:    "-cert service.key_secret -curve link",
		client:    "-cert alice.key_secret -server-cert service.key -curve -user alice -password-file password",
		mechanism: "SCRAM-SHA-256-PLUS",
	},
}

const (
	nomAccount = `    plain = 1
        account
            login = alice
            password = "HASHES"
`
	nomKeys = `    curve = 1
        keystore = dir:clients
`
	// nomLink is the domain of connections that are protected by CURVE.
	nomLink = `security
    domain = link
    curve = 1
        keystore = dir:clients
`
)

// nomFiles makes a directory with keys, passwords and a policy for each step.
func nomFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	gen(t, dir, "service", "alice", "mallory")
	public, err := os.ReadFile(filepath.Join(dir, "alice.key"))
	ztest.Must(t, err,
		os.Mkdir(filepath.Join(dir, "clients"), 0o755),
		os.WriteFile(filepath.Join(dir, "clients", "alice.key"), public, 0o644),
		os.WriteFile(filepath.Join(dir, "password"), []byte("correct horse\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "wrong"), []byte("battery staple\n"), 0o600))
	hashes, err := output(t, "sh", "-c", `"$0" hash --plain --scram <"$1"`, tool(t, "zauth"), filepath.Join(dir, "password"))
	ztest.Must(t, err)
	for _, step := range nomSteps {
		text := "security\n    domain = nom\n" + step.policy + nomLink
		text = strings.ReplaceAll(text, "HASHES", strings.TrimSpace(hashes))
		ztest.Must(t, os.WriteFile(filepath.Join(dir, step.name+".zpl"), []byte(text), 0o600))
	}
	return dir
}

// nomFlags splits flags, and puts files into dir.
func nomFlags(dir, flags string) (words []string) {
	for _, word := range strings.Fields(flags) {
		if _, err := os.Stat(filepath.Join(dir, word)); err == nil {
			word = filepath.Join(dir, word)
		}
		words = append(words, word)
	}
	return words
}

// startNOM starts a server and returns its endpoint.
func startNOM(t *testing.T, program, dir string, step nomStep) (endpoint string) {
	t.Helper()
	return start(t, "serving on ", slices.Concat([]string{program, "server", "-policy", filepath.Join(dir, step.name+".zpl")},
		nomFlags(dir, step.server), []string{"tcp://127.0.0.1:*"})...)
}

// askNOM runs a client.
func askNOM(t *testing.T, program, dir, flags, endpoint string) (string, error) {
	t.Helper()
	return output(t, slices.Concat([]string{program, "client", "-v"}, nomFlags(dir, flags), []string{endpoint, "cheezburger"})...)
}

// TestNOM goes from ANONYMOUS to a key and a password, with one client program and one server
// program for each library. Only files and flags change. The protocol's commands stay the same,
// except for the mechanism, its data and the number of rounds.
func TestNOM(t *testing.T) {
	t.Parallel()
	programs := nomPrograms(t)
	dir := nomFiles(t)
	blob := regexp.MustCompile(`\(\d+ bytes\)`)
	round := regexp.MustCompile(`(S: ORLY MECHANISM BLOB\nC: YARLY MECHANISM BLOB\n)+`)
	const want = `C: OHAI
S: ORLY MECHANISM BLOB
C: YARLY MECHANISM BLOB
S: OHAI-OK
C: ICANHAZ cheezburger
S: CHEEZBURGER cheezburger for USER
"cheezburger for USER"
C: HUGZ
S: HUGZ-OK
`
	for serverName, server := range programs {
		for _, step := range nomSteps {
			endpoint := startNOM(t, server, dir, step)
			for clientName, client := range programs {
				t.Run(fmt.Sprintf("%s, %s client, %s server", step.name, clientName, serverName), func(t *testing.T) {
					t.Parallel()
					out, err := askNOM(t, client, dir, step.client, endpoint)
					if step.mechanism == "SCRAM-SHA-256-PLUS" && (serverName == "libzmq" || clientName == "libzmq") {
						// libzmq tells no channel binding.
						if err == nil || !strings.Contains(out, "refused") && !strings.Contains(out, "no mechanism to use") {
							t.Errorf("%v, and the client says %s", err, out)
						}
						return
					}
					if err != nil {
						t.Fatalf("%v: %s", err, out)
					}
					if sealed := strings.Contains(out, "(sealed)"); sealed != (step.mechanism == "CURVE") {
						t.Errorf("sealed: %v", sealed)
					}
					user := "alice"
					if step.mechanism == "ANONYMOUS" {
						user = "anyone"
					}
					got := strings.NewReplacer(step.mechanism, "MECHANISM", " (sealed)", "", "for "+user, "for USER").Replace(out)
					got = round.ReplaceAllString(blob.ReplaceAllString(got, "BLOB"), "$1")
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("commands (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

// TestNOMPasswordOverCURVE demands a key to connect and a password to log in. If a side does not
// know the channel binding, SCRAM is not bound to the connection.
func TestNOMPasswordOverCURVE(t *testing.T) {
	t.Parallel()
	programs := nomPrograms(t)
	dir := nomFiles(t)
	step := nomStep{name: "scram", server: "-cert service.key_secret -curve link"}
	for serverName, server := range programs {
		endpoint := startNOM(t, server, dir, step)
		for clientName, client := range programs {
			t.Run(fmt.Sprintf("%s client, %s server", clientName, serverName), func(t *testing.T) {
				t.Parallel()
				want := "C: YARLY SCRAM-SHA-256 "
				if clientName == "zmtp" && serverName == "zmtp" {
					want = "C: YARLY SCRAM-SHA-256-PLUS "
				}
				const flags = "-curve -cert alice.key_secret -server-cert service.key -user alice -password-file "
				out, err := askNOM(t, client, dir, flags+"password", endpoint)
				if err != nil || !strings.Contains(out, want) || !strings.Contains(out, "cheezburger for alice") {
					t.Errorf("%v, and the client says %s\nwant %q", err, out, want)
				}
				out, err = askNOM(t, client, dir, flags+"wrong", endpoint)
				if err == nil || !strings.Contains(out, "refused: 400 refused") {
					t.Errorf("%v, and the client with a wrong password says %s", err, out)
				}
			})
		}
	}
}

// TestNOMPython runs a client that uses nothing of this module.
func TestNOMPython(t *testing.T) {
	t.Parallel()
	python := ztest.Python(t)
	dir := nomFiles(t)
	for serverName, server := range nomPrograms(t) {
		for _, step := range nomSteps[:3] {
			endpoint := startNOM(t, server, dir, step)
			t.Run(fmt.Sprintf("%s, %s server", step.mechanism, serverName), func(t *testing.T) {
				t.Parallel()
				user := "alice"
				if step.mechanism == "ANONYMOUS" {
					user = "anyone"
				}
				out, err := output(t, python, "testdata/nom_client.py", endpoint, step.mechanism, "alice", "correct horse")
				if want := "CHEEZBURGER cheezburger for " + user + " HUGZ-OK\n"; err != nil || out != want {
					t.Errorf("%v, and the client says %q, want %q", err, out, want)
				}
				if user == "anyone" {
					return
				}
				out, err = output(t, python, "testdata/nom_client.py", endpoint, step.mechanism, "alice", "battery staple")
				if err == nil || out != "WTF 400 refused\n" {
					t.Errorf("%v, and the client with a wrong password says %q", err, out)
				}
			})
		}
	}
}

// TestNOMRefused runs clients that are refused, or that refuse the server.
func TestNOMRefused(t *testing.T) {
	t.Parallel()
	programs := nomPrograms(t)
	dir := nomFiles(t)
	for _, tt := range []struct{ name, step, client, want string }{
		{"wrong password by PLAIN", "plain", "-user alice -password-file wrong -insecure-plain", "PLAIN refused: 400 refused"},
		{"unknown user by PLAIN", "plain", "-user bob -password-file password -insecure-plain", "PLAIN refused: 400 refused"},
		{"wrong password by SCRAM", "scram", "-user alice -password-file wrong", "SCRAM-SHA-256 refused: 400 refused"},
		{"unknown user by SCRAM", "scram", "-user bob -password-file password", "SCRAM-SHA-256 refused: 400 refused"},
		{"unknown key", "curve", "-cert mallory.key_secret -server-cert service.key", "CURVE refused: 400 refused"},
		{"wrong server key", "curve", "-cert alice.key_secret -server-cert mallory.key", "protocol error"},
		{"no credentials", "curve", "", "no mechanism to use"},
		{"password without encryption", "plain", "-user alice -password-file password", "PLAIN needs an encrypted connection"},
		{"mechanism that is not offered", "scram", "-user alice -password-file password -mechanisms PLAIN -insecure-plain", "PLAIN is not offered"},
	} {
		for serverName, server := range programs {
			i := slices.IndexFunc(nomSteps, func(s nomStep) bool { return s.name == tt.step })
			endpoint := startNOM(t, server, dir, nomSteps[i])
			for clientName, client := range programs {
				t.Run(fmt.Sprintf("%s, %s client, %s server", tt.name, clientName, serverName), func(t *testing.T) {
					t.Parallel()
					out, err := askNOM(t, client, dir, tt.client, endpoint)
					if err == nil || !strings.Contains(out, tt.want) {
						t.Errorf("%v, and the client says %s\nwant %q", err, out, tt.want)
					}
				})
			}
		}
	}
}

// dialNOM connects to a server of NOM without its client.
func dialNOM(t *testing.T, endpoint string) *zmtp.Conn {
	t.Helper()
	conn, err := zmtp.Dial(ztest.Context(t), endpoint, zmtp.Config{
		SocketType: "DEALER",
		Mechanism:  zap.Null,
	})
	ztest.Must(t, err)
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// tell sends words as a message, and returns the words of the answer.
func tell(t *testing.T, conn *zmtp.Conn, words ...string) string {
	t.Helper()
	var message [][]byte
	for _, word := range words {
		message = append(message, []byte(word))
	}
	ztest.Must(t, conn.Send(t.Context(), message...))
	answer, err := conn.Recv(ztest.Context(t))
	ztest.Must(t, err)
	return string(bytes.Join(answer, []byte(" ")))
}

// TestNOMLarge sends large messages.
func TestNOMLarge(t *testing.T) {
	t.Parallel()
	endpoint := startNOM(t, nomPrograms(t)["libzmq"], nomFiles(t), nomSteps[0])
	conn := dialNOM(t, endpoint)
	for _, message := range [][]string{
		{"OHAI", strings.Repeat("x", 10_000), strings.Repeat("x", 10_000)},
		make([]string, 1000),
	} {
		if answer := tell(t, conn, message...); answer != "WTF message too large" {
			t.Errorf("large message: answer %q", answer)
		}
	}
	if answer := tell(t, conn, "ICANHAZ", "cheezburger"); answer != "WTF unexpected command" {
		t.Errorf("ICANHAZ before OHAI-OK: answer %q", answer)
	}
	if answer := tell(t, conn, "OHAI"); answer != "ORLY ANONYMOUS " {
		t.Errorf("OHAI: answer %q", answer)
	}
}

// TestNOMStrangers lets more strangers connect than a server serves. A client that is
// authenticated keeps its place.
func TestNOMStrangers(t *testing.T) {
	t.Parallel()
	for name, program := range nomPrograms(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := startNOM(t, program, nomFiles(t), nomSteps[0])
			alice := dialNOM(t, endpoint)
			tell(t, alice, "OHAI")
			if answer := tell(t, alice, "YARLY", "ANONYMOUS", ""); answer != "OHAI-OK" {
				t.Fatalf("answer %q", answer)
			}
			for i := range 1100 {
				if i%100 == 0 {
					tell(t, alice, "HUGZ") // before a minute is over
				}
				tell(t, dialNOM(t, endpoint), "OHAI")
			}
			if answer := tell(t, alice, "ICANHAZ", "cheezburger"); answer != "CHEEZBURGER cheezburger for anyone" {
				t.Errorf("answer %q", answer)
			}
		})
	}
}

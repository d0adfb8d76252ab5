package curve

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var vectorsFile = flag.String("vectors", "testdata/curvezmq.json",
	"`file` of transcripts for the Vectors tests; a relative path starts at this package")

// bytes are written in hex.
type octets []byte

func (o *octets) UnmarshalText(text []byte) error {
	var err error
	*o, err = hex.DecodeString(string(text))
	return err
}

// transcript is everything that went into a connection and came out of it.
type transcript struct {
	ServerSecret          octets `json:"server_secret"`
	ServerPublic          octets `json:"server_public"`
	ClientSecret          octets `json:"client_secret"`
	ClientPublic          octets `json:"client_public"`
	ServerTransientSecret octets `json:"server_transient_secret"`
	ServerTransientPublic octets `json:"server_transient_public"`
	ClientTransientSecret octets `json:"client_transient_secret"`
	ClientTransientPublic octets `json:"client_transient_public"`
	CookieKey             octets `json:"cookie_key"`
	CookieNonce           octets `json:"cookie_nonce"`
	WelcomeNonce          octets `json:"welcome_nonce"`
	VouchNonce            octets `json:"vouch_nonce"`
	ClientMetadata        octets `json:"client_metadata"`
	ServerMetadata        octets `json:"server_metadata"`
	Hello                 octets `json:"hello"`
	Welcome               octets `json:"welcome"`
	Initiate              octets `json:"initiate"`
	Ready                 octets `json:"ready"`
	Messages              []struct {
		From    string `json:"from"`
		Nonce   uint64 `json:"nonce"`
		Flags   byte   `json:"flags"`
		Payload octets `json:"payload"`
		Command octets `json:"command"`
	} `json:"messages"`
}

// forEachTranscript runs a subtest for each transcript of the file, in
// parallel.
func forEachTranscript(t *testing.T, test func(t *testing.T, tr *transcript)) {
	t.Parallel()
	text, err := os.ReadFile(*vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Transcripts []*transcript }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", *vectorsFile, err)
	}
	if len(file.Transcripts) == 0 {
		t.Fatalf("%s: no transcripts", *vectorsFile)
	}
	for i, tr := range file.Transcripts {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			test(t, tr)
		})
	}
}

// keyOf returns a secret key and checks that it has this public key.
func keyOf(t *testing.T, public, secret octets) SecretKey {
	t.Helper()
	s, err := NewSecretKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	if len(public) != KeySize {
		t.Fatalf("public key of %d bytes", len(public))
	}
	if s.Public() != PublicKey(public) {
		t.Fatal("the keys do not match")
	}
	return s
}

// client makes the client half as it was in the transcript.
func (tr *transcript) client(t *testing.T) *Client {
	t.Helper()
	c, err := NewClient(keyOf(t, tr.ClientPublic, tr.ClientSecret), PublicKey(tr.ServerPublic))
	if err != nil {
		t.Fatal(err)
	}
	keyOf(t, tr.ClientTransientPublic, tr.ClientTransientSecret)
	c.random = script(tr.ClientTransientSecret, tr.VouchNonce)
	return c
}

// server makes the server half as it was in the transcript.
func (tr *transcript) server(t *testing.T) *Server {
	t.Helper()
	s, err := NewServer(keyOf(t, tr.ServerPublic, tr.ServerSecret))
	if err != nil {
		t.Fatal(err)
	}
	keyOf(t, tr.ServerTransientPublic, tr.ServerTransientSecret)
	s.random = script(tr.ServerTransientSecret, tr.CookieKey, tr.CookieNonce, tr.WelcomeNonce)
	s.Clock = stopped
	return s
}

// states holds both halves in each state before the next command was handled.
type states struct {
	server        *Server // has sent WELCOME
	beforeWelcome *Client
	beforeReady   *Client
	clientSession *session
	serverSession *session
}

// play runs the handshake of a transcript and compares every command with the
// one in the file.
func (tr *transcript) play(t *testing.T) states {
	t.Helper()
	var st states
	// What a command is appended to must stay.
	dst := []byte("before")
	check := func(name string, got []byte, err error, want octets) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(bytes.Clone(dst), want...), got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", name, diff)
		}
	}
	client, server := tr.client(t), tr.server(t)
	st.server = server

	got, err := client.Hello(dst)
	check("HELLO", got, err, tr.Hello)
	st.beforeWelcome = client.clone()

	got, counter, err := server.welcome(dst, tr.Hello)
	check("WELCOME", got, err, tr.Welcome)
	if counter != 1 {
		t.Fatalf("counter of HELLO: %d, want 1", counter)
	}

	got, err = client.HandleWelcome(dst, tr.Welcome, tr.ClientMetadata)
	check("INITIATE", got, err, tr.Initiate)
	st.beforeReady = client.clone()

	peer, err := server.initiate(counter, tr.Initiate)
	if err != nil {
		t.Fatal(err)
	}
	if key := peer.key; !bytes.Equal(key[:], tr.ClientPublic) {
		t.Fatalf("server sees key %v", key)
	}
	if !bytes.Equal(peer.claims, tr.ClientMetadata) {
		t.Fatalf("server sees metadata %x, want %x", peer.claims, tr.ClientMetadata)
	}
	got, st.serverSession, err = peer.ready(dst, tr.ServerMetadata)
	check("READY", got, err, tr.Ready)

	metadata, session, err := client.handleReady(tr.Ready)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(metadata, tr.ServerMetadata) {
		t.Fatalf("client sees metadata %x, want %x", metadata, tr.ServerMetadata)
	}
	st.clientSession = session
	return st
}

// ends returns the session that sent message i and the one it is for.
func (tr *transcript) ends(t *testing.T, st states, i int) (sender, receiver *session) {
	t.Helper()
	switch tr.Messages[i].From {
	case "client":
		return st.clientSession, st.serverSession
	case "server":
		return st.serverSession, st.clientSession
	}
	t.Fatalf("message %d from %q", i, tr.Messages[i].From)
	return nil, nil
}

// lastBefore returns the counter that came before message i in its direction.
func (tr *transcript) lastBefore(i int) uint64 {
	for j := i - 1; j >= 0; j-- {
		if tr.Messages[j].From == tr.Messages[i].From {
			return tr.Messages[j].Nonce
		}
	}
	if tr.Messages[i].From == "client" {
		return 2 // INITIATE
	}
	return 1 // READY
}

// TestVectors checks that with the keys and nonces of the file every command is the
// same as in the file, and that the other side opens it.
func TestVectors(t *testing.T) {
	forEachTranscript(t, func(t *testing.T, tr *transcript) {
		st := tr.play(t)
		for i, m := range tr.Messages {
			sender, receiver := tr.ends(t, st, i)
			if m.Nonce <= sender.send.last {
				t.Fatalf("message %d: nonce %d after %d", i, m.Nonce, sender.send.last)
			}
			sender.send.last = m.Nonce - 1
			got, err := sender.Seal([]byte("before"), m.Flags, m.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]byte("before"), m.Command...), got); diff != "" {
				t.Fatalf("message %d (-want +got):\n%s", i, diff)
			}
			payload, flags, err := receiver.Open([]byte("before"), m.Command)
			if err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			if flags != m.Flags || !bytes.Equal(payload, append([]byte("before"), m.Payload...)) {
				t.Fatalf("message %d: flags %d, payload %x", i, flags, payload)
			}
		}
	})
}

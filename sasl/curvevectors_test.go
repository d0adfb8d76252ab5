package sasl

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/nacl/box"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
)

// hexBytes are bytes written in hex.
type hexBytes []byte

func (b *hexBytes) UnmarshalText(text []byte) error {
	var err error
	*b, err = hex.DecodeString(string(text))
	return err
}

// curveTranscript is a connection of package curve's vectors.
type curveTranscript struct {
	ServerSecret          hexBytes `json:"server_secret"`
	ServerPublic          hexBytes `json:"server_public"`
	ClientSecret          hexBytes `json:"client_secret"`
	ClientPublic          hexBytes `json:"client_public"`
	ServerTransientSecret hexBytes `json:"server_transient_secret"`
	ServerTransientPublic hexBytes `json:"server_transient_public"`
	ClientTransientSecret hexBytes `json:"client_transient_secret"`
	ClientTransientPublic hexBytes `json:"client_transient_public"`
	CookieKey             hexBytes `json:"cookie_key"`
	CookieNonce           hexBytes `json:"cookie_nonce"`
	WelcomeNonce          hexBytes `json:"welcome_nonce"`
	VouchNonce            hexBytes `json:"vouch_nonce"`
	Hello                 hexBytes `json:"hello"`
	Welcome               hexBytes `json:"welcome"`
	Initiate              hexBytes `json:"initiate"`
	Ready                 hexBytes `json:"ready"`
	Messages              []struct {
		From    string   `json:"from"`
		Nonce   uint64   `json:"nonce"`
		Flags   byte     `json:"flags"`
		Payload hexBytes `json:"payload"`
		Command hexBytes `json:"command"`
	} `json:"messages"`
}

// withRandom calls f while these bytes are the random numbers. Only a test that runs alone may
// call it.
func withRandom(f func(), parts ...[]byte) {
	reader := rand.Reader
	defer func() { rand.Reader = reader }()
	rand.Reader = bytes.NewReader(bytes.Join(parts, nil))
	f()
}

// start returns both halves with the keys and the random numbers of a transcript.
func (tr *curveTranscript) start(t *testing.T) (client *curveClient, hello []byte, server *curveServer) {
	t.Helper()
	clientKey, err := curve.NewSecretKey(tr.ClientSecret)
	ztest.Must(t, err)
	serverKey, err := curve.NewSecretKey(tr.ServerSecret)
	ztest.Must(t, err)
	client = &curveClient{key: clientKey, server: curve.PublicKey(tr.ServerPublic), offered: curveOffer}
	withRandom(func() { _, hello, err = client.Start() }, tr.ClientTransientSecret, tr.VouchNonce)
	ztest.Must(t, err)
	server = &curveServer{offered: curveOffer, ask: func(key curve.PublicKey) error {
		if !bytes.Equal(key[:], tr.ClientPublic) {
			t.Errorf("the gate is asked about %v", key)
		}
		return nil
	}}
	withRandom(func() { server.server, err = curve.NewServer(serverKey) },
		tr.ServerTransientSecret, tr.CookieKey, tr.CookieNonce, tr.WelcomeNonce)
	ztest.Must(t, err)
	return client, hello, server
}

// handmadeClaims returns the claims of SASL, written by hand.
func handmadeClaims() []byte {
	value := strings.Join(curveOffer, " ")
	return append([]byte("\x0bSocket-Type\x00\x00\x00\x04SASL\x0fSasl-Mechanisms\x00\x00\x00"), append([]byte{byte(len(value))}, value...)...)
}

// initiate returns the INITIATE of the transcript with the claims of SASL, made by nacl/box.
func (tr *curveTranscript) initiate() []byte {
	nonce := func(prefix string, rest []byte) *[24]byte { return (*[24]byte)(append([]byte(prefix), rest...)) }
	clientSecret, serverTransient := [32]byte(tr.ClientSecret), [32]byte(tr.ServerTransientPublic)
	transientSecret := [32]byte(tr.ClientTransientSecret)
	counter := tr.Initiate[105:113]
	text := append(bytes.Clone(tr.ClientPublic), tr.VouchNonce...)
	text = box.Seal(text, append(bytes.Clone(tr.ClientTransientPublic), tr.ServerPublic...),
		nonce("VOUCH---", tr.VouchNonce), &serverTransient, &clientSecret)
	text = append(text, handmadeClaims()...)
	return box.Seal(bytes.Clone(tr.Initiate[:113]), text, nonce("CurveZMQINITIATE", counter), &serverTransient, &transientSecret)
}

// ready is initiate for READY.
func (tr *curveTranscript) ready() []byte {
	clientTransient, transientSecret := [32]byte(tr.ClientTransientPublic), [32]byte(tr.ServerTransientSecret)
	nonce := (*[24]byte)(append([]byte("CurveZMQREADY---"), tr.Ready[6:14]...))
	return box.Seal(bytes.Clone(tr.Ready[:14]), handmadeClaims(), nonce, &clientTransient, &transientSecret)
}

// TestCurveVectors checks that with the keys and random numbers of package curve's vectors
// HELLO and WELCOME are those of the vectors, and that INITIATE and READY are those that
// nacl/box makes with the vectors' keys and the claims of SASL. The layer makes and opens the
// messages of the vectors. The vectors' own INITIATE and READY, which claim what ZMTP claims, are refused.
// It runs alone, since it replaces the random numbers.
func TestCurveVectors(t *testing.T) {
	text, err := os.ReadFile("../curve/testdata/curvezmq.json")
	ztest.Must(t, err)
	var file struct{ Transcripts []*curveTranscript }
	ztest.Must(t, json.Unmarshal(text, &file))
	if len(file.Transcripts) == 0 {
		t.Fatal("no transcripts")
	}
	for i, tr := range file.Transcripts {
		t.Run(fmt.Sprint(i), func(t *testing.T) { tr.check(t) })
	}
}

func (tr *curveTranscript) check(t *testing.T) {
	same := func(name string, got []byte, err error, want []byte) {
		t.Helper()
		ztest.Must(t, err)
		if !bytes.Equal(got, want) {
			t.Fatalf("%s: got\n%x, want\n%x", name, got, want)
		}
	}
	client, hello, server := tr.start(t)
	same("HELLO", hello, nil, tr.Hello)
	welcome, _, err := server.Next(hello)
	same("WELCOME", welcome, err, tr.Welcome)
	initiate, err := client.Next(welcome)
	same("INITIATE", initiate, err, tr.initiate())
	ready, _, err := server.Next(initiate)
	same("READY", ready, err, tr.ready())
	response, err := client.Next(ready)
	same("response", response, err, nil)
	_, done, err := server.Next(response)
	if err != nil || !done || !client.verified() {
		t.Errorf("done: %v, verified: %v, %v", done, client.verified(), err)
	}
	tr.checkMessages(t, client, server)

	client, hello, server = tr.start(t)
	welcome, _, err = server.Next(hello)
	ztest.Must(t, err)
	_, err = client.Next(welcome)
	ztest.Must(t, err)
	if _, _, err := server.Next(tr.Initiate); !errors.Is(err, errNoOffer) {
		t.Errorf("INITIATE of ZMTP: got %v", err)
	}
	if _, err := client.Next(tr.Ready); !errors.Is(err, errNoOffer) || client.verified() {
		t.Errorf("READY of ZMTP: got %v", err)
	}
}

// checkMessages checks that each end makes its messages and opens those of the other. The
// counters leave gaps.
func (tr *curveTranscript) checkMessages(t *testing.T, client *curveClient, server *curveServer) {
	clientSealer, clientOpener := client.layer()
	serverSealer, serverOpener := server.layer()
	last := map[string]uint64{"client": 2, "server": 1}
	for i, m := range tr.Messages {
		sealer, opener := clientSealer, serverOpener
		if m.From == "server" {
			sealer, opener = serverSealer, clientOpener
		}
		payload, flags, err := opener.Open(nil, m.Command)
		if err != nil || flags != m.Flags || !bytes.Equal(payload, m.Payload) {
			t.Errorf("message %d: flags %d, payload %x, %v", i, flags, payload, err)
		}
		for ; last[m.From] < m.Nonce-1; last[m.From]++ {
			_, err := sealer.Seal(nil, 0, nil)
			ztest.Must(t, err)
		}
		last[m.From]++
		if command, err := sealer.Seal(nil, m.Flags, m.Payload); err != nil || !bytes.Equal(command, m.Command) {
			t.Errorf("message %d: got\n%x, %v, want\n%x", i, command, err, m.Command)
		}
	}
}

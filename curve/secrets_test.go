package curve

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/z85"
)

var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%o", "%b", "%c", "%U", "%t", "%p", "%T"}

// printed returns everything that fmt, JSON and slog make of v.
func printed(v any) string {
	var out bytes.Buffer
	for _, verb := range verbs {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	fmt.Fprintln(&out, v)
	encoded, err := json.Marshal(v)
	fmt.Fprintln(&out, string(encoded), err)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("message", "value", v, "group", []any{v})
	}
	return out.String()
}

// leaks returns how a secret shows in out, if it does. Its first eight bytes
// are enough.
func leaks(out string, secret []byte) string {
	part := secret[:8]
	array := [8]byte(part)
	text, _ := z85.Append(nil, part)
	forms := []string{string(part), string(text), base64.StdEncoding.EncodeToString(part[:6])}
	for _, verb := range verbs {
		if strings.ContainsAny(verb, "tpT") {
			continue
		}
		forms = append(forms,
			octetsOf(fmt.Sprintf(verb, part), fmt.Sprintf(verb, []byte{})),
			octetsOf(fmt.Sprintf(verb, array), fmt.Sprintf(verb, [0]byte{})))
	}
	numbers, _ := json.Marshal(array)
	forms = append(forms, octetsOf(string(numbers), "[]"))
	for _, form := range forms {
		if strings.Contains(out, form) {
			return form
		}
	}
	return ""
}

// octetsOf strips from the form of eight bytes what a verb puts around them: one character
// after them and the rest before, as it does around none. It doesn't look
// for brackets, which can be among the bytes.
func octetsOf(form, empty string) string {
	if empty == "" {
		return form
	}
	return form[len(empty)-1 : len(form)-1]
}

// TestLeaks checks that the next test can fail, and that no key makes it fail by
// chance.
func TestLeaks(t *testing.T) {
	t.Parallel()
	without := printed(map[string]any{"[{": []byte("[secret]"), "}]": [1]int{1}})
	for _, secret := range [][]byte{
		randomOctets(KeySize),
		bytes.Repeat([]byte("["), KeySize),
		bytes.Repeat([]byte("}"), KeySize),
		append([]byte(`1234567{"[]}`), randomOctets(KeySize-12)...), // at the end of what is looked for
	} {
		text, _ := z85.Append(nil, secret)
		for _, v := range []any{
			struct{ key [KeySize]byte }{[KeySize]byte(secret)},
			&struct{ key []byte }{secret},
			struct{ Key string }{string(text)},
			struct{ Key []byte }{secret},
			fmt.Sprintf("%x", secret),
			fmt.Sprintf("%#v", secret),
			fmt.Sprintf("%d", secret),
		} {
			if leaks(printed(v), secret) == "" {
				t.Errorf("%q in a %T: not found", secret, v)
			}
		}
		if form := leaks(without, secret); form != "" {
			t.Errorf("%q is found where it isn't, as %q", secret, form)
		}
	}
}

// TestSecretsDontPrint checks that no secret shows when one of this package's types is
// printed, however deep it is in another value.
func TestSecretsDontPrint(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	welcome, counter := p.toWelcome(t)
	beforeWelcome := p.client.clone()
	initiate, err := p.client.HandleWelcome(nil, welcome, nil)
	if err != nil {
		t.Fatal(err)
	}
	beforeReady := p.client.clone()
	peer, err := p.server.initiate(counter, initiate)
	if err != nil {
		t.Fatal(err)
	}
	waiting := &Handshake{server: p.server, shared: peer.shared.clone(), counter: peer.counter}
	ready, server, err := peer.ready(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, client, err := p.client.handleReady(ready)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string][]byte{
		"s":                p.server.key.key.octets[:],
		"c":                p.client.key.key.octets[:],
		"c'":               beforeWelcome.transient.key.octets[:],
		"c' and S":         beforeWelcome.shared.key.octets[:],
		"c' and S'":        beforeReady.shared.key.octets[:],
		"C' and s'":        waiting.shared.key.octets[:],
		"cookie key":       p.server.cookies.current.key.octets[:],
		"client's sending": client.send.cipher.subkey.octets[:],
		"server's sending": server.send.cipher.subkey.octets[:],
	}
	for name, secret := range secrets {
		if isZero(secret) {
			t.Fatalf("%s is zero", name)
		}
	}
	holders := map[string]any{
		"secret key": p.client.key,
		"server":     p.server,
		"client 1":   beforeWelcome,
		"client 2":   beforeReady,
		"handshake":  waiting,
		"session 1":  client,
		"session 2":  server,
	}
	for name, holder := range holders {
		outs := []string{
			printed(holder),
			printed([]any{holder}),
			printed(map[string]any{"holder": holder}),
			printed(struct {
				Exported   any
				unexported any
			}{holder, holder}),
		}
		if v := reflect.ValueOf(holder); v.Kind() == reflect.Pointer {
			outs = append(outs, fmt.Sprintf("%v %+v %#v %x %s", v.Elem(), v.Elem(), v.Elem(), v.Elem(), v.Elem()))
		}
		for of, secret := range secrets {
			for _, out := range outs {
				if form := leaks(out, secret); form != "" {
					t.Errorf("%s shows %s, as %q", name, of, form)
				}
			}
		}
	}
	if got := fmt.Sprintf("%v %s %x", p.client.key, p.client.key, p.client.key); got != "[secret] [secret] [secret]" {
		t.Errorf("a secret key prints as %q", got)
	}
}

// TestWiped checks that no secret of a connection survives its end, and that each is
// wiped as soon as it has served.
func TestWiped(t *testing.T) {
	t.Parallel()
	wantZero := func(name string, secret []byte) {
		t.Helper()
		if !isZero(secret) {
			t.Errorf("%s is still there", name)
		}
	}
	p := newPair(t)
	welcome, counter := p.toWelcome(t)
	transient, hello := p.client.transient.key.octets, p.client.shared
	initiate, err := p.client.HandleWelcome(nil, welcome, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantZero("c' after INITIATE", transient[:])
	wantZero("shared key of HELLO after INITIATE", hello.key.octets[:])
	clientShared := p.client.shared
	peer, err := p.server.initiate(counter, initiate)
	if err != nil {
		t.Fatal(err)
	}
	serverShared := peer.shared
	ready, server, err := peer.ready(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantZero("server's shared key after READY", serverShared.key.octets[:])
	_, client, err := p.client.handleReady(ready)
	if err != nil {
		t.Fatal(err)
	}
	wantZero("client's shared key after READY", clientShared.key.octets[:])
	for _, s := range []*session{client, server} {
		send, receive := s.send.cipher, s.receive.cipher
		s.Close()
		wantZero("sending key", send.subkey.octets[:])
		wantZero("receiving key", receive.subkey.octets[:])
	}

	// And so after a refusal, and after Close.
	for name, end := range map[string]func(*Client){
		"refusal": func(c *Client) { c.HandleWelcome(nil, nil, nil) },
		"order":   func(c *Client) { c.Hello(nil) },
		"close":   func(c *Client) { c.Close(); c.Close() },
	} {
		p := newPair(t)
		p.toWelcome(t)
		transient, shared := p.client.transient.key.octets, p.client.shared
		end(p.client)
		wantZero("c' after "+name, transient[:])
		wantZero("shared key after "+name, shared.key.octets[:])
		if p.client.key.IsZero() {
			t.Errorf("%s wiped the caller's key", name)
		}
	}
	for name, end := range map[string]func(*Handshake){
		"order": func(h *Handshake) { h.HandleHello(nil, nil) },
		"close": func(h *Handshake) { h.Close(); h.Close() },
	} {
		peer := newPair(t).toPeer(t)
		shared := peer.shared
		end(peer.Handshake)
		wantZero("shared key after "+name, shared.key.octets[:])
	}
	newClient(t, p.server.key.Public()).Close() // nothing there yet
}

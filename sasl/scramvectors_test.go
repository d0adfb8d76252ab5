package sasl

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestScramVectors: both sides send the messages that an implementation in Python sends, and those
// of RFC 7677.
func TestScramVectors(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/scram.json")
	ztest.Must(t, err)
	var vectors []struct {
		Name, Username, Password, Binding, Flag, Verifier  string
		Offered                                            []string
		ClientNonce, ServerNonce                           string
		ClientFirst, ServerFirst, ClientFinal, ServerFinal string
	}
	ztest.Must(t, json.Unmarshal(file, &vectors))
	if rfc := vectors[0]; rfc.ClientFinal != "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" ||
		rfc.ServerFinal != "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("%+v is not the exchange of RFC 7677", rfc)
	}
	for _, v := range vectors {
		stored, err := ParseVerifier(v.Verifier)
		ztest.Must(t, err)
		if stored.Encode() != v.Verifier {
			t.Errorf("%s: %s", v.Name, stored.Encode())
		}
		var binding [32]byte
		bytes, err := hex.DecodeString(v.Binding)
		ztest.Must(t, err)
		copy(binding[:], bytes)
		plus := len(bytes) > 0
		s := &scramServer{plus: plus, offered: v.Offered, binding: binding, nonce: v.ServerNonce,
			verifier: func(login string) (Verifier, error) {
				if login != v.Username {
					t.Errorf("%s: login %q", v.Name, login)
				}
				return stored, nil
			},
			ask: func(login string, key []byte) error {
				if login != v.Username || !stored.Matches(key) {
					return errRefused
				}
				return nil
			}}
		if v.Flag == "y" {
			binding = [32]byte{1}
		}
		c := &scramClient{plus: plus, offered: v.Offered, binding: binding, nonce: v.ClientNonce,
			username: v.Username, password: zap.NewPassword(v.Password)}
		want := []string{v.ClientFirst, v.ServerFirst, v.ClientFinal, v.ServerFinal}
		server, client := scramExchange(t, s, c, func(n int, m []byte) []byte {
			if string(m) != want[n] {
				t.Errorf("%s: %s, not %s", v.Name, m, want[n])
			}
			return m
		})
		if server != nil || client != nil || !c.verified() {
			t.Errorf("%s: %v, %v", v.Name, server, client)
		}
	}
}

// TestScramVectorsFile: testdata/scram.json is what testdata/scram.py prints.
func TestScramVectorsFile(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/scram.json")
	ztest.Must(t, err)
	printed, err := exec.CommandContext(ztest.Context(t), ztest.Python(t), "testdata/scram.py").Output()
	ztest.Must(t, err)
	if string(printed) != string(file) {
		t.Errorf("testdata/scram.py prints\n%s", printed)
	}
}

// TestOfferHash: the order of the offer does not count, as in XEP-0474.
func TestOfferHash(t *testing.T) {
	t.Parallel()
	// From printf 'PLAIN\036SCRAM-SHA-256' | openssl dgst -sha256 -binary | base64
	const want = "Rgy1OtqF8B/re2ip4rVzs2herVHnECfKbsLqKQgUMgo="
	for _, offered := range [][]string{{ScramSHA256, Plain}, {Plain, ScramSHA256}} {
		if got := offerHash(offered); got != want {
			t.Errorf("%v: %s", offered, got)
		}
	}
}

// TestScramXdg has github.com/xdg-go/scram on the other end. Its server takes no type of
// channel binding but TLS's.
func TestScramXdg(t *testing.T) {
	t.Parallel()
	for _, password := range []string{testPassword, "wrong"} {
		right := password == testPassword
		for _, plus := range []bool{false, true} {
			peer, err := scram.SHA256.NewClient(testLogin, password, "")
			ztest.Must(t, err)
			conversation := peer.NewConversation()
			s, _ := scramPair(plus)
			if plus {
				conversation = peer.NewConversationWithChannelBinding(scram.ChannelBinding{Type: bindingName, Data: s.binding[:]})
			}
			var challenge []byte
			var done bool
			for !done && err == nil {
				var response string
				if response, err = conversation.Step(string(challenge)); err == nil {
					challenge, done, err = s.Next([]byte(response))
				}
			}
			if done != right || conversation.Valid() != right || !right && err != errRefused {
				t.Errorf("client, %q, bound %t: done %t, valid %t, %v", password, plus, done, conversation.Valid(), err)
			}
		}

		account, err := scram.SHA256.NewClient(testLogin, testPassword, "")
		ztest.Must(t, err)
		stored, err := account.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: minIterations})
		ztest.Must(t, err)
		peer, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return stored, nil })
		ztest.Must(t, err)
		conversation := peer.NewConversation()
		c := &scramClient{username: testLogin, password: zap.NewPassword(password), offered: []string{ScramSHA256}}
		_, response, err := c.Start()
		for err == nil && !c.verified() {
			var challenge string
			if challenge, err = conversation.Step(string(response)); err == nil {
				response, err = c.Next([]byte(challenge))
			}
		}
		if c.verified() != right || conversation.Valid() != right {
			t.Errorf("server, %q: verified %t, valid %t, %v", password, c.verified(), conversation.Valid(), err)
		}
	}
}

package sasl

import (
	"errors"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

// TestScramVector is the exchange of RFC 7677, section 3.
func TestScramVector(t *testing.T) {
	t.Parallel()
	client := &scramClient{username: "user", password: zap.NewPassword("pencil"), nonce: "rOprNGfwEbeRWgbNEkqO"}
	name, m, err := client.Start()
	ztest.Must(t, err)
	if name != ScramSHA256 || string(m) != "n,,n=user,r=rOprNGfwEbeRWgbNEkqO" {
		t.Errorf("%s %s", name, m)
	}
	m, err = client.Next([]byte("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"))
	ztest.Must(t, err)
	if string(m) != "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" {
		t.Errorf("%s", m)
	}
	if client.verified() {
		t.Error("verified too early")
	}
	m, err = client.Next([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
	ztest.Must(t, err)
	if m == nil || len(m) > 0 || !client.verified() {
		t.Errorf("%q", m)
	}
}

// errRefused is what the gate returns in these tests.
var errRefused = errors.New("refused")

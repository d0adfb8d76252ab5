package sasl

import (
	"errors"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

// TestScramGrammar takes the messages of RFC 5802, section 5, whose mechanism is
// SCRAM-SHA-1. Of its exchange only the grammar carries over: a proof and a signature by
// SHA-1 have 20 bytes.
func TestScramGrammar(t *testing.T) {
	t.Parallel()
	first, err := parseClientFirst("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")
	if want := (clientFirst{"n,,", 'n', "", "", "user", "fyko+d2lbbFgONRv9qkxdawL", "n=user,r=fyko+d2lbbFgONRv9qkxdawL"}); err != nil || first != want {
		t.Errorf("%+v, %v", first, err)
	}
	server, err := parseServerFirst("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
	if err != nil || server.nonce != "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j" || encode(server.salt) != "QSXCR+Q6sek8bf92" || server.iterations != 4096 || server.offer != "" {
		t.Errorf("%+v, %v", server, err)
	}
	if final, err := parseClientFinal("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="); err != errBase64 || string(final.binding) != "n,," {
		t.Errorf("%+v, %v", final, err)
	}
	if _, err := parseServerFinal("v=rmF9pqV8S7suAoZWja4dJRkFsKQ="); err != errBase64 {
		t.Error(err)
	}

	// What the exchange of the RFC does not have.
	first, err = parseClientFirst("p=tls-server-end-point,a=a=2Cb=3D,n==2C=3D=3D2C,r=!,x=1,Y==,z=\u00e4")
	if want := (clientFirst{"p=tls-server-end-point,a=a=2Cb=3D,", 'p', "tls-server-end-point", "a,b=", ",==2C", "!", "n==2C=3D=3D2C,r=!,x=1,Y==,z=\u00e4"}); err != nil || first != want {
		t.Errorf("%+v, %v", first, err)
	}
	server, err = parseServerFirst("r=~,s=MTIzNDU2Nzg=,i=2000000,x=1,h=abc,y=2")
	if err != nil || server.offer != "abc" {
		t.Errorf("%+v, %v", server, err)
	}
	final, err := parseClientFinal("c=biws,r=~,x=p=,y=1,p=" + encode(make([]byte, 32)))
	if err != nil || final.withoutProof != "c=biws,r=~,x=p=,y=1" {
		t.Errorf("%+v, %v", final, err)
	}
	if _, err := parseServerFinal("v=" + encode(make([]byte, 32)) + ",x=1"); err != nil {
		t.Error(err)
	}
}

// Values of attributes.
var (
	hash32 = encode(make([]byte, 32))
	salt16 = encode(make([]byte, 16))
	long   = strings.Repeat("x", maxText+1)
)

// malformedScram are messages of each step, with the error of each.
var malformedScram = map[string][]struct {
	message string
	err     error
}{
	"client-first": {
		{"", errHeader},
		{"n", errHeader},
		{"n,", errHeader},
		{",,n=a,r=b", errHeader},
		{"x,,n=a,r=b", errHeader},
		{"N,,n=a,r=b", errHeader},
		{"nn,,n=a,r=b", errHeader},
		{"n=x,,n=a,r=b", errHeader},
		{"y=curvezmq,,n=a,r=b", errHeader},
		{"p,,n=a,r=b", errHeader},
		{"p=,,n=a,r=b", errHeader},
		{"p=a_b,,n=a,r=b", errHeader},
		{"p=a=b,,n=a,r=b", errHeader},
		{"n,x,n=a,r=b", errHeader},
		{"n,b=x,n=a,r=b", errHeader},
		{"n,a=,n=a,r=b", errHeader},
		{"n,a==,n=a,r=b", errEscape},
		{"n,a=\x00,n=a,r=b", errHeader},
		{"n,a=" + long + ",n=a,r=b", errEscape},
		{"n,,", errAttribute},
		{"n,,n=a", errAttribute},
		{"n,,n=a,", errAttribute},
		{"n,,n=,r=b", errAttribute},
		{"n,,n=a,r=", errAttribute},
		{"n,,n=a,r=b,", errAttribute},
		{"n,,n=a,r=b,x", errAttribute},
		{"n,,n=a,r=b,x=", errAttribute},
		{"n,,n=a,r=b,1=x", errAttribute},
		{"n,,n=a,r=b,xy=z", errAttribute},
		{"n,,n=a,r=b,n=a", errAttribute},
		{"n,,n=a,r=b,r=b", errAttribute},
		{"n,,r=b,n=a", errAttribute},
		{"n,,x=1,n=a,r=b", errAttribute},
		{"n,,m=1,n=a,r=b", errMandatory},
		{"n,,n=a,r=b,m=1", errMandatory},
		{"n,,n=a=,r=b", errEscape},
		{"n,,n=a=2,r=b", errEscape},
		{"n,,n=a=2c,r=b", errEscape},
		{"n,,n=a=2D,r=b", errEscape},
		{"n,,n=" + long + ",r=b", errEscape},
		{"n,,n=" + strings.Repeat("=2C", maxText+1) + ",r=b", errEscape},
		{"n,,n=a\x00,r=b", errAttribute},
		{"n,,n=\xff,r=b", errAttribute},
		{"n,,n=a,r=b c", errNonce},
		{"n,,n=a,r=\u00e4", errNonce},
		{"n,,n=a,r=b\x7f", errNonce},
		{"n,,n=a,r=" + long, errNonce},
	},
	"server-first": {
		{"", errAttribute},
		{"e=other-error", errAttribute},
		{"m=1,r=a,s=" + salt16 + ",i=4096", errMandatory},
		{"r=a", errAttribute},
		{"r=a,s=" + salt16, errAttribute},
		{"r=a,i=4096,s=" + salt16, errAttribute},
		{"r=a b,s=" + salt16 + ",i=4096", errNonce},
		{"r=" + long + long + ",s=" + salt16 + ",i=4096", errNonce},
		{"r=a,s=,i=4096", errAttribute},
		{"r=a,s=*,i=4096", errBase64},
		{"r=a,s=" + strings.TrimRight(salt16, "=") + ",i=4096", errBase64},
		{"r=a,s=" + salt16 + "=,i=4096", errBase64},
		{"r=a,s=AAAA\nAAAAAAAAAAAAAAAAAA==,i=4096", errBase64},
		{"r=a,s=AAAAAAAAAAAAAAAAAAAAAB==,i=4096", errBase64}, // bits after the last byte
		{"r=a,s=" + encode(make([]byte, minSalt-1)) + ",i=4096", errSalt},
		{"r=a,s=" + encode(make([]byte, maxSalt+1)) + ",i=4096", errSalt},
		{"r=a,s=" + salt16 + ",i=", errAttribute},
		{"r=a,s=" + salt16 + ",i=0", errAttribute},
		{"r=a,s=" + salt16 + ",i=-4096", errAttribute},
		{"r=a,s=" + salt16 + ",i=+4096", errAttribute},
		{"r=a,s=" + salt16 + ",i=04096", errAttribute},
		{"r=a,s=" + salt16 + ",i=4096 ", errAttribute},
		{"r=a,s=" + salt16 + ",i=4_096", errAttribute},
		{"r=a,s=" + salt16 + ",i=1", errIterations},
		{"r=a,s=" + salt16 + ",i=4095", errIterations},
		{"r=a,s=" + salt16 + ",i=2000001", errIterations},
		{"r=a,s=" + salt16 + ",i=99999999999999999999", errIterations},
		{"r=a,s=" + salt16 + ",i=4096,", errAttribute},
		{"r=a,s=" + salt16 + ",i=4096,h=", errAttribute},
		{"r=a,s=" + salt16 + ",i=4096,h=a,h=a", errAttribute},
		{"r=a,s=" + salt16 + ",i=4096,i=5000", errAttribute},
		{"r=a,s=" + salt16 + ",i=4096,m=1", errMandatory},
	},
	"client-final": {
		{"", errAttribute},
		{"p=" + hash32, errAttribute},
		{"r=a,c=biws,p=" + hash32, errAttribute},
		{"c=biws,p=" + hash32, errAttribute},
		{"c=biws,r=a", errAttribute},
		{"c=biws,r=a,", errAttribute},
		{"c=,r=a,p=" + hash32, errAttribute},
		{"c=*,r=a,p=" + hash32, errBase64},
		{"c=biw,r=a,p=" + hash32, errBase64},
		{"c=bi\nws,r=a,p=" + hash32, errBase64},
		{"c=biws,r=a,p=", errAttribute},
		{"c=biws,r=a,p=*", errBase64},
		{"c=biws,r=a,p=" + salt16, errBase64},
		{"c=biws,r=a,p=" + hash32 + "\n", errBase64},
		{"c=biws,r=a,p=" + encode(make([]byte, 33)), errBase64},
		{"c=biws,r=a,p=" + hash32 + ",x=1", errAttribute},
		{"c=biws,r=a,p=" + hash32 + ",", errAttribute},
		{"c=biws,r=a,p=" + hash32 + ",p=" + hash32, errAttribute},
		{"c=biws,r=a,r=a,p=" + hash32, errAttribute},
		{"c=biws,r=a,m=1,p=" + hash32, errMandatory},
		{"m=1,c=biws,r=a,p=" + hash32, errMandatory},
	},
	"server-final": {
		{"", errAttribute},
		{"v=", errAttribute},
		{"v=*", errBase64},
		{"v=" + salt16, errBase64},
		{"v=" + hash32 + ",", errAttribute},
		{"v=" + hash32 + ",v=" + hash32, errAttribute},
		{"v=" + hash32 + ",m=1", errMandatory},
		{"e=invalid-proof", errReported},
		{"x=1", errAttribute},
		{"x=1,v=" + hash32, errAttribute},
	},
}

// parsers parse the messages of each step.
var parsers = map[string]func(string) error{
	"client-first": func(m string) error { _, err := parseClientFirst(m); return err },
	"server-first": func(m string) error { _, err := parseServerFirst(m); return err },
	"client-final": func(m string) error { _, err := parseClientFinal(m); return err },
	"server-final": func(m string) error { _, err := parseServerFinal(m); return err },
}

func TestScramMalformed(t *testing.T) {
	t.Parallel()
	for step, messages := range malformedScram {
		for _, tt := range messages {
			if err := parsers[step](tt.message); !errors.Is(err, tt.err) || !errors.Is(err, ErrProtocol) {
				t.Errorf("%s: %q: %v, expected %v", step, tt.message, err, tt.err)
			}
		}
	}
	// The machines return the errors of the parsers.
	s, c := scramPair(false)
	if _, _, err := s.Next([]byte("n")); err != errHeader {
		t.Error(err)
	}
	s, _ = scramPair(false)
	_, m, err := c.Start()
	ztest.Must(t, err)
	_, _, err = s.Next(m)
	ztest.Must(t, err)
	if _, _, err := s.Next([]byte("c")); err != errAttribute {
		t.Error(err)
	}
	if _, err := c.Next([]byte("r")); err != errAttribute {
		t.Error(err)
	}
}

// FuzzScramMessages: what a parser returns, written again, is the message up to its
// extensions, within the bounds.
func FuzzScramMessages(f *testing.F) {
	for _, messages := range malformedScram {
		for _, tt := range messages {
			f.Add(tt.message)
		}
	}
	f.Add("p=curvezmq,a=a=2C,n=a=2C,r=nonce,x=1")
	f.Add("r=nonce,s=" + salt16 + ",i=4096,h=" + hash32)
	f.Add("c=biws,r=nonce,x=1,p=" + hash32)
	f.Add("v=" + hash32 + ",x=1")
	f.Fuzz(func(t *testing.T, m string) {
		for step, parse := range parsers {
			if err := parse(m); err != nil && !errors.Is(err, ErrProtocol) {
				t.Errorf("%s: %v", step, err)
			}
		}
		if p, err := parseClientFirst(m); err == nil {
			header := string(p.flag)
			if p.binding != "" {
				header += "=" + p.binding
			}
			header += ","
			if p.authzID != "" {
				header += "a=" + escapeName.Replace(p.authzID)
			}
			known := "n=" + escapeName.Replace(p.login) + ",r=" + p.nonce
			if header+"," != p.header || p.header+p.bare != m || p.bare != known && !strings.HasPrefix(p.bare, known+",") ||
				len(p.login) > maxText || len(p.authzID) > maxText || len(p.nonce) > maxText {
				t.Errorf("%q is %+v", m, p)
			}
		}
		if p, err := parseServerFirst(m); err == nil {
			if !strings.HasPrefix(m, "r="+p.nonce+",s="+encode(p.salt)+",i=") || len(p.salt) < minSalt || len(p.salt) > maxSalt ||
				p.iterations < minIterations || p.iterations > maxIterations {
				t.Errorf("%q is %+v", m, p)
			}
		}
		if p, err := parseClientFinal(m); err == nil {
			if !strings.HasPrefix(m, "c="+encode(p.binding)+",r="+p.nonce+",") || p.withoutProof+",p="+encode(p.proof[:]) != m {
				t.Errorf("%q is %+v", m, p)
			}
		}
		if signature, err := parseServerFinal(m); err == nil {
			if known := "v=" + encode(signature[:]); m != known && !strings.HasPrefix(m, known+",") {
				t.Errorf("%q has the signature %x", m, signature)
			}
		}
	})
}

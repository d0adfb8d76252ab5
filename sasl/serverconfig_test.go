package sasl

import (
	"slices"
	"strings"
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
)

func TestNewServer(t *testing.T) {
	t.Parallel()
	valid := ServerConfig{Codec: NOM, Policy: new(gate), Link: Link{Local: true}, Curve: testCurve}
	_, err := NewServer(valid)
	ztest.Must(t, err)
	handler := zap.HandlerFunc(new(gate).Handle)
	for want, change := range map[string]func(*ServerConfig){
		"sasl: no Codec":                                                            func(c *ServerConfig) { c.Codec = nil },
		"sasl: no Policy and no Handler":                                            func(c *ServerConfig) { c.Policy = nil },
		"sasl: without a Policy, set Mechanisms":                                    func(c *ServerConfig) { c.Policy, c.Handler = nil, handler },
		"sasl: the Policy says where to offer PLAIN: remove InsecurePlain":          func(c *ServerConfig) { c.InsecurePlain = true },
		"sasl: set Link.Address, or Link.Local for a client without an IP address":  func(c *ServerConfig) { c.Link.Local = false },
		"sasl: set Link.Address, or Link.Local for a client without an IP address ": func(c *ServerConfig) { c.Link.Address = "192.0.2.1" },
		"sasl: the client's address must be an IP address without a port":           func(c *ServerConfig) { c.Link = Link{Address: "192.0.2.1:5670"} },
		"sasl: the client's address must be an IP address without a port ":          func(c *ServerConfig) { c.Link = Link{Address: "[2001:db8::1]:5670"} },
		"sasl: Domain or Address is not printable ASCII of at most 255 bytes":       func(c *ServerConfig) { c.Domain = "ä" },
		"sasl: Domain or Address is not printable ASCII of at most 255 bytes ":      func(c *ServerConfig) { c.Link = Link{Address: strings.Repeat("1", 256)} },
		"sasl: Principal longer than 255 bytes":                                     func(c *ServerConfig) { c.Link.Principal = strings.Repeat("a", 256) },
		`sasl: unknown mechanism "plain"`:                                           func(c *ServerConfig) { c.Mechanisms = []string{"plain"} },
		"sasl: duplicate mechanism PLAIN":                                           func(c *ServerConfig) { c.Mechanisms = []string{Plain, Anonymous, Plain} },
		"sasl: CURVE needs the server's key: set Curve":                             func(c *ServerConfig) { c.Mechanisms, c.Curve = []string{Curve}, nil },
		"sasl: SCRAM-SHA-256 needs verifiers of passwords: set Policy":              func(c *ServerConfig) { c.Mechanisms, c.Policy, c.Handler = []string{ScramSHA256}, nil, handler },
		"sasl: SCRAM-SHA-256-PLUS needs verifiers of passwords: set Policy":         func(c *ServerConfig) { c.Mechanisms, c.Policy, c.Handler = []string{ScramSHA256Plus}, nil, handler },
	} {
		cfg := valid
		change(&cfg)
		if _, err := NewServer(cfg); err == nil || err.Error() != strings.TrimSpace(want) {
			t.Errorf("got %v, expected %s", err, want)
		}
	}
	own := []string{Plain, Anonymous}
	valid.Mechanisms = own
	s, err := NewServer(valid)
	ztest.Must(t, err)
	own[1] = External // the server has its own copy
	if got, _ := s.allowed(false); !slices.Equal(got, []string{Plain, Anonymous}) {
		t.Errorf("offers %v", got)
	}
	if _, err := new(Server).Handle(t.Context(), frames("OHAI")); err == nil {
		t.Error("the zero Server answers")
	}
}

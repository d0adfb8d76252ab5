package sasl

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/zap"
)

// ServerConfig configures a [Server].
type ServerConfig struct {
	// Codec is the codec of your protocol.
	Codec Codec
	// Policy says which mechanisms to offer, and has the verifiers that SCRAM needs. It also
	// decides whether to admit the client, unless Handler is set.
	Policy Policy
	// Handler decides whether to admit the client, in place of Policy. It can be an audit log
	// around the Policy, or, without a Policy, the client of a daemon.
	Handler zap.Handler
	// Domain is the ZAP domain of the service: printable ASCII, at most 255 bytes.
	Domain string
	// Mechanisms are the mechanisms to offer, in this order. Those that the Policy does not
	// offer are left out. If nil, all that the Policy offers.
	Mechanisms []string
	// InsecurePlain allows PLAIN in Mechanisms to be offered over unencrypted connections. If
	// there is a Policy, it decides that instead, and InsecurePlain must be false.
	InsecurePlain bool
	// Link describes the connection to the client.
	Link Link
	// Curve has the server's key for the mechanism CURVE. Share one among all clients, and call
	// its Expire every minute. If nil, CURVE is not offered.
	Curve *curve.Server
}

// NewServer returns a server for one client. It returns an error if cfg is incomplete or
// names an unknown mechanism.
func NewServer(cfg ServerConfig) (*Server, error) {
	switch {
	case cfg.Codec == nil:
		return nil, errors.New("sasl: no Codec")
	case cfg.Policy == nil && cfg.Handler == nil:
		return nil, errors.New("sasl: no Policy and no Handler")
	case cfg.Mechanisms == nil && cfg.Policy == nil:
		return nil, errors.New("sasl: without a Policy, set Mechanisms")
	case cfg.Policy != nil && cfg.InsecurePlain:
		return nil, errors.New("sasl: the Policy says where to offer PLAIN: remove InsecurePlain")
	case (cfg.Link.Address == "") != cfg.Link.Local:
		return nil, errors.New("sasl: set Link.Address, or Link.Local for a client without an IP address")
	case !isReason(cfg.Domain) || !isReason(cfg.Link.Address):
		return nil, errors.New("sasl: Domain or Address is not printable ASCII of at most 255 bytes")
	case len(cfg.Link.Principal) > maxLogin:
		return nil, fmt.Errorf("sasl: Principal longer than %d bytes", maxLogin)
	}
	if _, err := netip.ParseAddrPort(cfg.Link.Address); err == nil {
		return nil, errors.New("sasl: the client's address must be an IP address without a port")
	}
	if err := checkMechanisms(cfg.Mechanisms); err != nil {
		return nil, err
	}
	for _, name := range cfg.Mechanisms {
		switch {
		case (name == ScramSHA256 || name == ScramSHA256Plus) && cfg.Policy == nil:
			return nil, fmt.Errorf("sasl: %s needs verifiers of passwords: set Policy", name)
		case name == Curve && cfg.Curve == nil:
			return nil, errors.New("sasl: CURVE needs the server's key: set Curve")
		}
	}
	if cfg.Handler == nil {
		cfg.Handler = cfg.Policy
	}
	cfg.Mechanisms = slices.Clone(cfg.Mechanisms)
	return &Server{cfg: cfg}, nil
}

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/internal/sockettype"
	"github.com/zcurve/zcurve/zap"
)

// exitStage is the exit code of probe for its first stage; those of the others follow.
const exitStage = 10

// prober holds the flags of probe.
type prober struct {
	cert, serverKey, login string
	passphraseFile         string
	expect, socketType     string
	timeout, wait          time.Duration
	asJSON                 bool
}

func newProbe() *cobra.Command {
	var f prober
	cmd := &cobra.Command{
		Use:   "probe ENDPOINT [--server-key KEY|FILE] [--cert FILE]",
		Short: "Connect step by step, and say why it fails",
		Long: `Probe connects to a ZeroMQ socket step by step. It says how far it came, why no
further, and what to do. Without keys, it ends when it knows the server's mechanism.
With --server-key, it checks that the server has this key. With --cert as well, it
checks that the server admits this client; without --cert, it uses a new key.

Probe connects as a REQ, SUB, PUSH or PUB, whichever fits, and sends no message. To
probe a PUSH, DEALER or PAIR, pass --type: such a socket may send a message to the
probe in place of another peer.

Probe exits 0 if all stages pass, 10 if a certificate or key is not usable, 11 if it
can't connect, 12 if the peer's greeting is not as expected, 13 if the server key
is wrong, and 14 if the server does not admit the client.`,
		Example: `  zcert probe tcp://192.0.2.1:5555
  zcert probe tcp://192.0.2.1:5555 --server-key service.key --cert alice.key_secret
  zcert probe tcp://127.0.0.1:5555 --expect curve --wait 30s`,
		Args: cli.OneArg("ENDPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.serverKey, "server-key", "", "the server's public key: `KEY|FILE`")
	flags.StringVar(&f.cert, "cert", "", "connect with the secret key in `FILE`")
	flags.StringVar(&f.login, "login", "", "connect by PLAIN with the login in `FILE`")
	passphraseFlag(cmd, &f.passphraseFile)
	flags.StringVar(&f.expect, "expect", "", "fail unless the mechanism is `MECHANISM`: curve, plain or null")
	flags.StringVar(&f.socketType, "type", "", "connect as a socket of `TYPE`, such as PULL")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "wait at most `DURATION` for the connection, and for the handshake")
	flags.DurationVar(&f.wait, "wait", 0, "try again for up to `DURATION`, until all stages pass")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	cli.Exclusive(cmd, "login", "server-key")
	cli.Exclusive(cmd, "login", "cert")
	return cmd
}

func (f *prober) run(cmd *cobra.Command, at string) error {
	if err := endpoint.CheckDial(at); err != nil {
		return cli.Usage(err)
	}
	if f.timeout <= 0 || f.wait < 0 {
		return cli.Usagef("--timeout and --wait must not be negative, and --timeout not 0")
	}
	if expect := strings.ToUpper(f.expect); expect != "" && expect != zap.Curve && expect != zap.Plain && expect != zap.Null {
		return cli.Usagef("--expect %q: must be curve, plain or null", f.expect)
	}
	if f.socketType != "" && !sockettype.Known(strings.ToUpper(f.socketType)) {
		return cli.Usagef("--type %q: not a type of socket, such as PULL", f.socketType)
	}
	if f.cert != "" && f.serverKey == "" {
		return cli.Hint(cli.Usagef("--cert requires --server-key"), "CURVE needs the server's public key: --server-key KEY|FILE")
	}
	cfg := probe.Config{Mechanism: zap.Null, Expect: strings.ToUpper(f.expect), SocketType: strings.ToUpper(f.socketType), Timeout: f.timeout}
	if err := f.load(cmd, &cfg); err != nil {
		return cli.WithCode(err, exitStage)
	}
	if cfg.Mechanism == zap.Plain && !endpoint.IsLocal(at) {
		cli.Warn(cmd, "PLAIN sends the password unencrypted over the network")
	}
	deadline := time.Now().Add(f.wait)
	for {
		report := probe.Run(cmd.Context(), at, cfg)
		stage, failed := report.Failed()
		if failed && time.Now().Before(deadline) && cmd.Context().Err() == nil {
			pause(cmd, min(200*time.Millisecond, time.Until(deadline)))
			continue
		}
		if err := f.print(cmd, at, report); err != nil {
			return err
		}
		if report.Mechanism == zap.Null && !endpoint.IsLocal(at) {
			cli.Warn(cmd, "%s is open to anyone, and not encrypted", at)
		}
		if !failed {
			return nil
		}
		result := report.Results[stage]
		err := fmt.Errorf("%s: %s: %s", cli.Subject(at), stage, result.Text)
		return cli.WithCode(cli.Hint(err, result.Hint), exitStage+int(stage))
	}
}

// pause waits, unless the command is interrupted.
func pause(cmd *cobra.Command, d time.Duration) {
	select {
	case <-time.After(d):
	case <-cmd.Context().Done():
	}
}

// load reads the keys.
func (f *prober) load(cmd *cobra.Command, cfg *probe.Config) (err error) {
	if f.login != "" {
		in, err := open(cmd, f.login)
		if err != nil {
			return err
		}
		login, err := in.plain(cmd)
		if err != nil {
			return err
		}
		cfg.Mechanism, cfg.Username, cfg.Password = zap.Plain, login.Username, login.Password
		return nil
	}
	if f.serverKey == "" {
		return nil
	}
	cfg.Mechanism = zap.Curve
	if cfg.ServerKey, err = loadPublicKey(cmd, f.serverKey); err != nil {
		return err
	}
	cfg.Key = curve.GenerateKey()
	cfg.Admit = "this is a new key: pass --cert to connect as a client that the server knows"
	if f.cert == "" {
		return nil
	}
	c, err := loadSecret(cmd, f.cert, f.passphraseFile)
	if err != nil {
		return err
	}
	if err := c.Check(time.Now()); err != nil {
		return fmt.Errorf("%s: %w", cli.Subject(f.cert), err)
	}
	cfg.Key = c.Secret
	cfg.Admit = "on the server, with its own keystore: zcert store add dir:CLIENTS " + cli.Quote(strings.TrimSuffix(f.cert, "_secret"))
	return nil
}

// loadPublicKey returns a key that is given as text, or that of a certificate's file.
func loadPublicKey(cmd *cobra.Command, keyOrFile string) (key curve.PublicKey, err error) {
	if raw, err := parseKeyText(keyOrFile); err == nil {
		copy(key[:], raw)
		return key, cert.CheckKey(key)
	}
	c, err := load(cmd, keyOrFile)
	if err != nil {
		return key, err
	}
	return c.Public, cert.CheckKey(c.Public)
}

// probeJSON is a report.
type probeJSON struct {
	Endpoint   string         `json:"endpoint"`
	Stages     []stageJSON    `json:"stages"`
	Version    string         `json:"version,omitempty"`
	Mechanism  string         `json:"mechanism,omitempty"`
	SocketType string         `json:"socket_type,omitempty"`
	Metadata   []propertyJSON `json:"metadata,omitempty"`
	Connect    float64        `json:"connect_seconds,omitempty"`
	Handshake  float64        `json:"handshake_seconds,omitempty"`
}

// stageJSON is a stage of a report.
type stageJSON struct {
	Stage   string `json:"stage"`
	Outcome string `json:"outcome"`
	Text    string `json:"text,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

func (f *prober) print(cmd *cobra.Command, at string, r *probe.Report) error {
	if f.asJSON {
		j := probeJSON{Endpoint: at, Version: r.Version, Mechanism: r.Mechanism, SocketType: r.SocketType,
			Connect: r.Connected.Seconds(), Handshake: r.Handshake.Seconds()}
		for s, result := range r.Results {
			j.Stages = append(j.Stages, stageJSON{probe.Stage(s).String(), string(result.Outcome), result.Text, result.Hint})
		}
		for _, p := range r.Metadata {
			j.Metadata = append(j.Metadata, propertyJSON{p.Name, p.Value})
		}
		return printJSON(cmd, j)
	}
	p := cli.NewPainter(cmd)
	paint := map[probe.Outcome]func(string) string{probe.OK: p.Good, probe.Failed: p.Bad, probe.NotReached: p.Doubtful}
	return cli.Print(cmd, func(out io.Writer) {
		fmt.Fprintln(out, at)
		for s, result := range r.Results {
			fmt.Fprintf(out, "    %-10s  %s", probe.Stage(s), paint[result.Outcome](string(result.Outcome)))
			if result.Text != "" {
				fmt.Fprintf(out, "%*s%s", 13-len(result.Outcome), "", result.Text)
			}
			fmt.Fprintln(out)
		}
	})
}

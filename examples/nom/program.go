package nom

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sasl"
	"github.com/zcurve/zcurve/zap"
)

// Curve protects connections by ZMTP's own CURVE. If nil, they are unencrypted.
type Curve struct {
	Key       curve.SecretKey
	ServerKey curve.PublicKey // on a client
	Handler   zap.Handler     // on a server: which clients to admit
	Domain    string          // on a server: the ZAP domain
}

// Transport is a library that makes connections.
type Transport struct {
	// Listen accepts connections from clients until ctx is done, and calls serve for each in its
	// own goroutine. It calls ready with its endpoint.
	Listen func(ctx context.Context, endpoint string, below *Curve, ready func(endpoint string),
		serve func(context.Context, Conn, sasl.Link)) error
	// Dial connects to a server.
	Dial func(ctx context.Context, endpoint string, below *Curve) (Conn, sasl.Link, error)
}

// Main runs the program, with connections from a Transport.
func Main(t Transport) {
	err := errors.New("usage: nom server -policy FILE [flags] ENDPOINT\n       nom client [flags] ENDPOINT WHAT")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "server":
			err = t.server(os.Args[2:])
		case "client":
			err = t.client(os.Args[2:])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (t Transport) server(args []string) error {
	flags := flag.NewFlagSet("nom server", flag.ExitOnError)
	file := flags.String("policy", "", "policy `FILE`")
	domain := flags.String("domain", "nom", "`NAME` of the policy's domain")
	certificate := flags.String("cert", "", "the server's secret certificate, for the mechanism CURVE")
	below := flags.String("curve", "", "protect connections by ZMTP's CURVE, in this `DOMAIN` of the policy")
	flags.Parse(args)
	if flags.NArg() != 1 || *file == "" {
		return errors.New("usage: nom server -policy FILE [flags] ENDPOINT")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.Default()
	rules, err := policy.Load(*file, policy.Options{Log: log})
	if err != nil {
		return err
	}
	defer rules.Close()
	go rules.Watch(ctx)

	config := sasl.ServerConfig{Policy: rules, Domain: *domain}
	var link *Curve
	if *certificate != "" || *below != "" {
		c, err := cert.Load(*certificate)
		if err != nil {
			return err
		}
		if *below != "" {
			link = &Curve{Key: c.Secret, Handler: rules, Domain: *below}
		} else {
			if config.Curve, err = curve.NewServer(c.Secret); err != nil {
				return err
			}
			go func() {
				for range time.Tick(time.Minute) {
					config.Curve.Expire() // also while no client connects
				}
			}()
		}
	}
	ready := func(endpoint string) { fmt.Println("serving on", endpoint) }
	return t.Listen(ctx, flags.Arg(0), link, ready, NewServer(config, log).Serve)
}

func (t Transport) client(args []string) (err error) {
	flags := flag.NewFlagSet("nom client", flag.ExitOnError)
	user := flags.String("user", "", "user `NAME`")
	password := flags.String("password-file", "", "`FILE` with the password")
	certificate := flags.String("cert", "", "the client's secret certificate")
	server := flags.String("server-cert", "", "the server's public certificate")
	below := flags.Bool("curve", false, "use the certificates for ZMTP's CURVE, not for the mechanism CURVE")
	mechanisms := flags.String("mechanisms", "", "`LIST` of mechanisms to use, in order of preference")
	insecure := flags.Bool("insecure-plain", false, "allow PLAIN over an unencrypted connection")
	verbose := flags.Bool("v", false, "print the commands of the protocol")
	flags.Parse(args)
	if flags.NArg() != 2 {
		return errors.New("usage: nom client [flags] ENDPOINT WHAT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	config := sasl.ClientConfig{Username: *user, InsecurePlain: *insecure}
	if *mechanisms != "" {
		config.Mechanisms = strings.Split(*mechanisms, ",")
	}
	if *password != "" {
		text, err := os.ReadFile(*password)
		if err != nil {
			return err
		}
		config.Password = zap.NewPassword(strings.TrimSuffix(string(text), "\n"))
	}
	var link *Curve
	if *certificate != "" || *server != "" || *below {
		if *certificate == "" || *server == "" {
			return errors.New("a key needs both -cert and -server-cert")
		}
		mine, err := cert.Load(*certificate)
		if err != nil {
			return err
		}
		theirs, err := cert.Load(*server)
		if err != nil {
			return err
		}
		if *below {
			link = &Curve{Key: mine.Secret, ServerKey: theirs.Public}
		} else {
			config.Key, config.ServerKey = mine.Secret, theirs.Public
		}
	}
	conn, proved, err := t.Dial(ctx, flags.Arg(0), link)
	if err != nil {
		return err
	}
	defer conn.Close()
	config.Link = proved
	trace := io.Discard
	if *verbose {
		trace = os.Stdout
	}
	c, err := Open(ctx, conn, config, trace)
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.ICanHaz(ctx, flags.Arg(1))
	if err != nil {
		return err
	}
	fmt.Printf("%q\n", answer)
	return c.Hugz(ctx)
}

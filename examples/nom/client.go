package nom

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/zcurve/zcurve/sasl"
)

// Client is an admitted client.
type Client struct {
	conn  layered
	trace io.Writer
}

// Open authenticates to the server at the other end of a connection. It writes the protocol's
// commands to trace, without challenges and responses.
func Open(ctx context.Context, conn Conn, cfg sasl.ClientConfig, trace io.Writer) (*Client, error) {
	cfg.Codec = sasl.NOM
	auth, err := sasl.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	defer auth.Close()
	c := &Client{conn: layered{Conn: conn}, trace: trace}
	message, err := auth.Start()
	for err == nil && message != nil {
		if err = c.send(ctx, message...); err != nil {
			break
		}
		if message, err = c.recv(ctx); err != nil {
			break
		}
		message, err = auth.Handle(message)
	}
	if err != nil {
		return nil, err
	}
	c.conn.sealer, c.conn.opener = auth.Layer()
	return c, nil
}

// ICanHaz asks the server for something.
func (c *Client) ICanHaz(ctx context.Context, what string) (answer string, err error) {
	message, err := c.ask(ctx, []byte("ICANHAZ"), []byte(what))
	if err == nil && (len(message) != 2 || string(message[0]) != "CHEEZBURGER") {
		err = fmt.Errorf("unexpected %.20q", message[0])
	}
	if err != nil {
		return "", err
	}
	return string(message[1]), nil
}

// Hugz shows the server that the client is alive, and checks that the server is.
func (c *Client) Hugz(ctx context.Context) error {
	message, err := c.ask(ctx, []byte("HUGZ"))
	if err == nil && string(message[0]) != "HUGZ-OK" {
		err = fmt.Errorf("unexpected %.20q", message[0])
	}
	return err
}

// Close closes the connection.
func (c *Client) Close() error { return c.conn.Close() }

// ask sends a message and waits for the answer.
func (c *Client) ask(ctx context.Context, message ...[]byte) ([][]byte, error) {
	if err := c.send(ctx, message...); err != nil {
		return nil, err
	}
	answer, err := c.recv(ctx)
	if err == nil && len(answer) == 2 && string(answer[0]) == "WTF" {
		err = fmt.Errorf("the server says: %q", answer[1])
	}
	return answer, err
}

func (c *Client) send(ctx context.Context, message ...[]byte) error {
	c.write("C", message)
	return c.conn.Send(ctx, message...)
}

func (c *Client) recv(ctx context.Context) ([][]byte, error) {
	message, err := c.conn.Recv(ctx)
	if err == nil && len(message) == 0 {
		err = fmt.Errorf("empty message")
	}
	if err != nil {
		return nil, err
	}
	c.write("S", message)
	return message, nil
}

// write writes a message to the trace, with control characters escaped.
func (c *Client) write(who string, message [][]byte) {
	words := make([]string, len(message))
	for i, frame := range message {
		words[i] = strings.Trim(strconv.QuoteToASCII(string(frame)), `"`)
	}
	if words[0] == "ORLY" || words[0] == "YARLY" {
		words[len(words)-1] = fmt.Sprintf("(%d bytes)", len(message[len(message)-1]))
	}
	text := strings.Join(words, " ")
	if c.conn.sealer != nil {
		text += " (sealed)"
	}
	fmt.Fprintf(c.trace, "%s: %s\n", who, text)
}

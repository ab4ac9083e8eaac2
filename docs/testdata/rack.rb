# SPDX-License-Identifier: Apache-2.0
#
# Serves the Rack application LISTENER of a file, one request after the other: enough of a server for a test, which needs no gem.

require "socket"
require "stringio"
require File.expand_path(ARGV.fetch(0))

server = TCPServer.new(ENV.fetch("HOST"), Integer(ENV.fetch("PORT")))
loop do
  client = server.accept
  method, path, = client.gets.to_s.split
  env = { "REQUEST_METHOD" => method, "PATH_INFO" => path.to_s.split("?").first }
  while (line = client.gets) && line != "\r\n"
    name, value = line.chomp.split(": ", 2)
    env["HTTP_#{name.upcase.tr("-", "_")}"] = value
  end
  env["rack.input"] = StringIO.new(client.read(env["HTTP_CONTENT_LENGTH"].to_i).to_s)
  status, = LISTENER.call(env)
  client.write("HTTP/1.1 #{status} \r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
  client.close
end
